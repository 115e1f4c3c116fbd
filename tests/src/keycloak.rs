//! A stand-in for Keycloak, as far as a realm's file says it: the tokens that it makes of a password or of a client's secret, by
//! the mappers of the client, and its public keys.

use std::{collections::BTreeMap, convert::Infallible, net::SocketAddr, sync::Arc};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{identity::Issuer, ports};

/// A running stand-in, stopped on drop.
#[derive(Debug)]
pub struct Keycloak {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    realm: Value,
    issuer: Issuer,
}

impl Keycloak {
    /// Starts on a free port with a realm as it is imported, and with this `iss` in its tokens.
    pub fn start(realm: Value, issuer: &str) -> Result<Self> {
        let listener = ports::listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { realm, issuer: Issuer::new(issuer) });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who signs its tokens.
    pub fn issuer(&self) -> &Issuer {
        &self.shared.issuer
    }

    /// A person's token, as the client gets it once they have logged in.
    pub fn person(&self, client: &str, person: &str) -> Result<String> {
        Ok(self.issuer().token(access_token(&self.shared.realm, client, Some(person))?))
    }

    /// The token of a client for itself.
    pub fn client(&self, client: &str) -> Result<String> {
        Ok(self.issuer().token(access_token(&self.shared.realm, client, None)?))
    }
}

impl Drop for Keycloak {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What stands in an access token of a client, for a person or for the client itself, by the mappers of that client.
///
/// # Errors
/// Where there is no such client or person, or a mapper that is not known here.
pub fn access_token(realm: &Value, client: &str, person: Option<&str>) -> Result<Value> {
    let of_client = named(realm, "clients", "clientId", client)?;
    let user = match person {
        Some(person) => named(realm, "users", "username", person)?.clone(),
        None => json!({"username": format!("service-account-{client}")}),
    };
    let mut claims = Map::new();
    claims
        .insert("sub".to_owned(), json!(format!("id of {}", user["username"].as_str().unwrap_or_default())));
    claims.insert("azp".to_owned(), json!(client));
    for mapper in list(of_client, "protocolMappers") {
        let config = &mapper["config"];
        ensure!(mapper["protocol"] == "openid-connect", "{mapper}");
        if config["access.token.claim"] != "true" {
            continue;
        }
        let attribute = config["user.attribute"].as_str().unwrap_or_default();
        let value = match mapper["protocolMapper"].as_str().context("no kind")? {
            "oidc-group-membership-mapper" => {
                let groups = list(&user, "groups").iter().filter_map(Value::as_str);
                let full = config["full.path"] == "true";
                let name = |group: &str| {
                    let last = group.rsplit('/').next().unwrap_or_default();
                    if full { group.to_owned() } else { last.to_owned() }
                };
                Some(json!(groups.map(name).collect::<Vec<_>>()))
            }
            "oidc-usermodel-property-mapper" => match config["jsonType.label"].as_str() {
                Some("boolean") => user[attribute].as_bool().map(Value::from),
                Some("String") => user[attribute].as_str().map(Value::from),
                other => anyhow::bail!("the type {other:?}"),
            },
            "oidc-usermodel-attribute-mapper" => user["attributes"][attribute][0].as_str().map(Value::from),
            "oidc-hardcoded-claim-mapper" => Some(config["claim.value"].clone()),
            "oidc-audience-mapper" => {
                claims.insert("aud".to_owned(), json!([config["included.custom.audience"]]));
                None
            }
            other => anyhow::bail!("the mapper {other}"),
        };
        if let Some(value) = value {
            claims.insert(config["claim.name"].as_str().context("no claim")?.to_owned(), value);
        }
    }
    Ok(Value::Object(claims))
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

fn named<'a>(realm: &'a Value, kind: &str, field: &str, name: &str) -> Result<&'a Value> {
    let found = list(realm, kind).iter().find(|one| one[field] == name);
    found.with_context(|| format!("none of the {kind} is called {name}"))
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(answer(&shared, request).await) }
            });
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let below =
        format!("/realms/{}/protocol/openid-connect/", shared.realm["realm"].as_str().unwrap_or_default());
    let endpoint = request.uri().path().strip_prefix(&below).map(str::to_owned);
    let (status, body) = match (request.method().as_str(), endpoint.as_deref()) {
        ("GET", Some("certs")) => (StatusCode::OK, shared.issuer.jwks()),
        ("POST", Some("token")) => {
            let basic = request.headers().get("authorization").and_then(|value| value.to_str().ok());
            let basic = basic.and_then(|value| value.strip_prefix("Basic ")).map(str::to_owned);
            let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
            match granted(shared, basic.as_deref(), &body) {
                Ok(token) => (
                    StatusCode::OK,
                    json!({"access_token": token, "token_type": "Bearer", "expires_in": 300}),
                ),
                Err(error) => (
                    StatusCode::UNAUTHORIZED,
                    json!({"error": "invalid_grant", "error_description": format!("{error:#}")}),
                ),
            }
        }
        _ => (StatusCode::NOT_FOUND, json!({"error": "not found"})),
    };
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    response
}

/// The token for a request at the token endpoint.
fn granted(shared: &Shared, basic: Option<&str>, body: &[u8]) -> Result<String> {
    let mut form: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
    if let Some(basic) = basic {
        let decoded = String::from_utf8(STANDARD.decode(basic)?)?;
        let (id, secret) = decoded.split_once(':').context("no client and secret")?;
        form.insert("client_id".to_owned(), id.to_owned());
        form.insert("client_secret".to_owned(), secret.to_owned());
    }
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let client = named(&shared.realm, "clients", "clientId", field("client_id"))?;
    let is_public = client["publicClient"] == true;
    ensure!(is_public || client["secret"] == field("client_secret"), "Invalid client credentials");
    let claims = match field("grant_type") {
        "client_credentials" => {
            ensure!(
                client["serviceAccountsEnabled"] == true,
                "Client not enabled to retrieve service account"
            );
            access_token(&shared.realm, field("client_id"), None)?
        }
        "password" => {
            ensure!(
                client["directAccessGrantsEnabled"] == true,
                "Client not allowed for direct access grants"
            );
            let user = named(&shared.realm, "users", "username", field("username"))?;
            ensure!(user["credentials"][0]["value"] == field("password"), "Invalid user credentials");
            access_token(&shared.realm, field("client_id"), Some(field("username")))?
        }
        other => anyhow::bail!("the grant {other}"),
    };
    Ok(shared.issuer.token(claims))
}
