#!/bin/sh
# What should work, and what should not: `docker compose run --rm try`. With `logins`: who can log in.
set -eu
gateway=${GATEWAY:-http://gateway:8080}
logs=${LOGS:-http://logs:8080}
keycloak=${KEYCLOAK:-http://keycloak:8080}
logins=${LOGINS:-/secrets/logins}

if [ "${1:-}" = logins ]; then
    cat "$logins"
    exit 0
fi

# token PERSON: what Keycloak gives them for their password.
token() {
    password=$(sed -n "s/^$1 //p" "$logins")
    curl --fail --silent "$keycloak/realms/platform/protocol/openid-connect/token" \
        --data grant_type=password --data client_id=try --data scope=openid \
        --data-urlencode "username=$1" --data-urlencode "password=$password" |
        sed 's/.*"access_token":"\([^"]*\)".*/\1/'
}

# ask WHAT CURL-ARGUMENT…: says what is tried, and how it was answered.
ask() {
    echo
    echo "== $1"
    shift
    curl --silent --show-error --write-out '\n-> %{http_code}\n' "$@" | cut -c 1-400
}

# as PERSON: the option that makes a request theirs.
as() {
    echo "authorization: Bearer $(token "$1")"
}

namespaces() {
    echo "$gateway/prometheus/api/v1/label/namespace/values"
}

ann=$(as ann)
bob=$(as bob)
eve=$(as eve)
dan=$(as dan)
olga=$(as olga)

ask "ann (acme): the namespaces that she sees" --header "$ann" "$(namespaces)"
ask "bob (bank): the same question" --header "$bob" "$(namespaces)"
ask "eve (acme and bank): both at once" --header "$eve" "$(namespaces)"
ask "eve, who chooses one" --header "$eve" --header "X-Scope-OrgID: bank" "$(namespaces)"
ask "olga (platform): what belongs to nobody else, and the gateway's own" --header "$olga" "$(namespaces)"
ask "ann: her namespaces in the logs" --header "$ann" "$logs/loki/api/v1/label/namespace/values"

ask "nobody" "$(namespaces)"
ask "dan, who is in no organisation" --header "$dan" "$(namespaces)"
ask "ann forges the tenant header" --header "$ann" --header "X-Scope-OrgID: bank" "$(namespaces)"
ask "ann adds a tenant to her own" --header "$ann" --header "X-Scope-OrgID: acme|bank" "$(namespaces)"
ask "ann forges Grafana's organisation (3 is the bank's)" --header "$ann" --header "X-Grafana-Org-Id: 3" "$(namespaces)"
ask "ann asks for the bank's series by name: an empty answer, out of her own" --header "$ann" --get \
    --data-urlencode 'query={namespace="ledger"}' "$gateway/prometheus/api/v1/query"
ask "ann writes" --header "$ann" --header "content-type: application/x-protobuf" --data x "$gateway/api/v1/push"
ask "ann tries a path that is kept closed" --header "$ann" "$gateway/all_user_stats"

ask "who is ann, to the gateway?" --header "$ann" "$gateway/-/scopegate/whoami"
ask "olga: what could not be placed, and what was refused" --header "$olga" "$gateway/-/scopegate/report"
