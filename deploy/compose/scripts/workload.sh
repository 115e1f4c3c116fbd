#!/bin/sh
# A pod: metrics at :8080/metrics.txt, and a log where the kubelet would put it.
set -eu
www=${WWW:-/tmp/www}
folder=${LOGS:-/var/log/pods}/$NAMESPACE
log=$folder/$POD.log
mkdir -p "$www" "$folder"
served=0
failed=0

page() {
    echo "# HELP shop_requests_total Requests by their status."
    echo "# TYPE shop_requests_total counter"
    echo "shop_requests_total{code=\"200\"} $served"
    echo "shop_requests_total{code=\"500\"} $failed"
    echo "# HELP shop_queue_length Requests that wait."
    echo "# TYPE shop_queue_length gauge"
    echo "shop_queue_length $((served % 17))"
    # What a pod says about its namespace counts for nothing.
    echo "# TYPE shop_claim gauge"
    echo "shop_claim{namespace=\"ledger\"} 1"
}

page > "$www/metrics.txt"
httpd -h "$www" -p 8080
trap 'exit 0' TERM
while :; do
    served=$((served + 1 + served % 7))
    level=info
    if [ $((served % 11)) = 0 ]; then
        failed=$((failed + 1))
        level=error
    fi
    page > "$www/next"
    mv "$www/next" "$www/metrics.txt"
    # A demo that runs for long fills no disk.
    if [ -e "$log" ] && [ "$(wc -c < "$log")" -gt 1000000 ]; then
        : > "$log"
    fi
    echo "level=$level namespace=$NAMESPACE pod=$POD served=$served" >> "$log"
    sleep 1
done
