#!/bin/sh
# Makes every secret of the stack, once: of programs, of people, and Grafana's administrator. Each reader gets a folder with
# what it needs, which it alone can read. `docker compose down -v` forgets them.
set -eu
umask 077
secrets=${SECRETS:-/secrets}
realm=${REALM:-/realm.json}

if [ -e "$secrets/people/complete" ]; then
    exit 0
fi

# 144 bits, in letters, digits, - and _.
random() {
    head -c 18 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n'
}

# give UID FILE: what comes on the standard input, without a newline at its end, and only for this user.
give() {
    cat > "$2"
    chown "$1" "$2"
    chmod 0400 "$2"
}

replacements=
for client in prometheus prometheus-bank log-forwarder grafana; do
    secret=$(random)
    case $client in
        prometheus*) uid=65534 ;;
        log-forwarder) uid=0 ;;
        grafana) uid=472 ;;
    esac
    printf %s "$secret" | give "$uid" "$secrets/$client/client-secret"
    replacements="$replacements;s/@secret:$client@/$secret/"
done

: > "$secrets/people/new"
for person in ann bob eve dan olga; do
    password=$(random)
    printf '%s %s\n' "$person" "$password" >> "$secrets/people/new"
    replacements="$replacements;s/@password:$person@/$password/"
done
give 100 "$secrets/people/logins" < "$secrets/people/new"
rm "$secrets/people/new"

sed "${replacements#;}" "$realm" | give 1000 "$secrets/keycloak/realm.json"

# Grafana's administrator: Envoy alone logs in as that, for the list of organisations.
administrator=$(random)
printf %s "$administrator" | give 472 "$secrets/grafana/admin-password"
printf %s "admin:$administrator" | base64 | tr -d '\n' | give 101 "$secrets/gateway/grafana-login"

: > "$secrets/people/complete"
