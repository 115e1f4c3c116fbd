#!/bin/bash
# Starts Grafana without its provisioning, makes the organisations, and stops it. Data sources and dashboards name them by
# their IDs, which are given in this order.
set -eu
export GF_PATHS_PROVISIONING=/tmp GF_AUTH_GENERIC_OAUTH_ENABLED=false GF_PLUGINS_PREINSTALL_DISABLED=true
/run.sh > /tmp/grafana.log 2>&1 &
grafana=$!
url=http://127.0.0.1:3000
until curl --fail --silent --output /dev/null "$url/api/health"; do
    if ! kill -0 "$grafana"; then
        cat /tmp/grafana.log
        exit 1
    fi
    sleep 1
done

id=1 # "Main Org.", which nobody is in
for name in "acme - ACME Corporation" "bank - The Bank" "platform - The Platform's Team"; do
    id=$((id + 1))
    answer=$(printf 'user = "admin:%s"\n' "$(cat /secrets/admin-password)" |
        curl --silent --config - --json "{\"name\": \"$name\"}" "$url/api/orgs")
    case $answer in
        *"\"orgId\":$id,"* | *"\"orgId\":$id}"*) echo "organisation $id: $name" ;;
        *"name taken"*) echo "organisation $id: $name, as before" ;;
        *)
            echo "organisation $id: $name: $answer"
            exit 1
            ;;
    esac
done
kill "$grafana"
wait "$grafana" || true
