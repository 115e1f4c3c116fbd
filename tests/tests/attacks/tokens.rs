//! Tokens that nobody issued, or not for here and now, before a real `jwt_authn`.

use anyhow::Result;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use scopegate_tests::client::Call;
use scopegate_tests::identity::{Issuer, basic, now};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::gateway::{
    Attack, ByEnvoy, Expected, Filter, Gateway, QUERY, Reaches, Upstream, configuration, plugin,
};

/// A public RSA key: its modulus as a JSON Web Key has it.
const MODULUS: &str = "5qMTGLkgeCfRWafqh1JA7OFMnjIq_XEDmBKjWIANl0tS9xxtpArrGgbDFJ4PUMH2k2rrdmafnYmyvff3zkkaIbzaayXJIohLCuOSu_S71C_wf0Ub_2Be-oIFCEnHgfXUyitKZ3IXX-hgH_CkIo-9WvIaM94Y3FlOaK_l-eOVm2Ih3TZOoIWsrmLoUYSCjHEmCTqGVX9p9ilbp8tD-qz_9uV8-_mRKzmY4TnVVHr1GAk01_wszIcZLVlD4VVHs-DTqZ3IwUfr0xoptuRxEKD3rxkSLMuMQSqwpIvREhT6scbn8nv4pSjsRagwZd4WbLFaICmsUco1zqzMmrBXoUkbuQ";
/// The same as the PEM text that everybody can download, and somebody may take for the secret of an HMAC.
const PEM: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA5qMTGLkgeCfRWafqh1JA
7OFMnjIq/XEDmBKjWIANl0tS9xxtpArrGgbDFJ4PUMH2k2rrdmafnYmyvff3zkka
IbzaayXJIohLCuOSu/S71C/wf0Ub/2Be+oIFCEnHgfXUyitKZ3IXX+hgH/CkIo+9
WvIaM94Y3FlOaK/l+eOVm2Ih3TZOoIWsrmLoUYSCjHEmCTqGVX9p9ilbp8tD+qz/
9uV8+/mRKzmY4TnVVHr1GAk01/wszIcZLVlD4VVHs+DTqZ3IwUfr0xoptuRxEKD3
rxkSLMuMQSqwpIvREhT6scbn8nv4pSjsRagwZd4WbLFaICmsUco1zqzMmrBXoUkb
uQIDAQAB
-----END PUBLIC KEY-----
";

/// What `jwt_authn` refuses; it says so in its own words.
const BY_JWT_AUTHN: Expected = ByEnvoy(401);
const UNKNOWN: Expected = Filter(401, "these credentials are not accepted");

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn claims(tenant: &str) -> Value {
    json!({"iss": "https://idp.test", "iat": now(), "exp": now() + 3600, "tenant": tenant})
}

/// A token signed with HS256 by some bytes.
fn hs256(secret: &[u8], kid: &str) -> Result<String> {
    let signed =
        format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT", "kid": kid})), part(&claims("evil")));
    let mac = Hmac::<Sha256>::new_from_slice(secret)?.chain_update(signed.as_bytes()).finalize().into_bytes();
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac)))
}

#[tokio::test]
async fn tokens_that_are_not_good() -> Result<()> {
    let idp = Issuer::new("https://idp.test");
    let mut jwks = idp.jwks();
    let rsa = json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "rsa-1", "n": MODULUS, "e": "AQAB"});
    if let Some(keys) = jwks["keys"].as_array_mut() {
        keys.push(rsa.clone());
    }
    let gateway =
        Gateway::with(Upstream::Http1, idp, &jwks, plugin(&configuration()), |filter| filter).await?;
    let (idp, other) = (&gateway.idp, &gateway.other);
    // Whoever makes tokens by this knows none of the keys, whatever name it takes.
    let forger = Issuer::new("https://idp.test");
    let good = idp.token(json!({"tenant": "a"}));
    let evil = || json!({"tenant": "evil"});
    let header = |more: Value| {
        let mut header = json!({"alg": "ES256", "typ": "JWT", "kid": "key-1"});
        for (name, value) in more.as_object().into_iter().flatten() {
            header[name] = value.clone();
        }
        header
    };
    let parts: Vec<&str> = good.split('.').collect();
    let point = idp.jwks()["keys"][0]["x"].as_str().unwrap_or_default().to_owned();
    let modulus = URL_SAFE_NO_PAD.decode(MODULUS)?;
    let der = STANDARD.decode(PEM.lines().filter(|line| !line.starts_with('-')).collect::<String>())?;
    let forged_jwk = forger.jwks()["keys"][0].clone();
    let mut cases: Vec<(String, String, Expected)> = vec![
        ("honest".into(), good.clone(), Reaches("a")),
        ("expired".into(), idp.expired(evil()), BY_JWT_AUTHN),
        ("expired long ago".into(), idp.token(json!({"tenant": "evil", "exp": 1})), BY_JWT_AUTHN),
        ("not yet valid".into(), idp.token(json!({"tenant": "evil", "nbf": now() + 600})), BY_JWT_AUTHN),
        // An end at 0 is no end to `jwt_authn`, and its issuer is trusted not to write one.
        ("no end".into(), idp.token(json!({"tenant": "a", "exp": 0})), Reaches("a")),
        ("no signature".into(), idp.unsigned(evil()), BY_JWT_AUTHN),
        ("a forged signature".into(), forger.token(evil()), BY_JWT_AUTHN),
        (
            "the key of another issuer".into(),
            other.token(json!({"iss": "https://idp.test", "tenant": "evil"})),
            BY_JWT_AUTHN,
        ),
        ("verified, of another issuer".into(), other.token(evil()), UNKNOWN),
        (
            "an issuer that nobody knows".into(),
            idp.token(json!({"iss": "https://evil.test", "tenant": "evil"})),
            BY_JWT_AUTHN,
        ),
        (
            "an issuer with a slash".into(),
            idp.token(json!({"iss": "https://idp.test/", "tenant": "evil"})),
            BY_JWT_AUTHN,
        ),
        (
            "an issuer in upper case".into(),
            idp.token(json!({"iss": "HTTPS://IDP.TEST", "tenant": "evil"})),
            BY_JWT_AUTHN,
        ),
        (
            "two issuers".into(),
            idp.token(json!({"iss": ["https://idp.test"], "tenant": "evil"})),
            BY_JWT_AUTHN,
        ),
        ("no issuer".into(), idp.token(json!({"iss": null, "tenant": "evil"})), BY_JWT_AUTHN),
        ("no JWT".into(), "evil".into(), BY_JWT_AUTHN),
        ("two parts".into(), format!("{}.{}", parts[0], parts[1]), BY_JWT_AUTHN),
        ("four parts".into(), format!("{good}.{}", parts[2]), BY_JWT_AUTHN),
        ("no signature at the end".into(), format!("{}.{}.", parts[0], parts[1]), BY_JWT_AUTHN),
        (
            "the claims of another".into(),
            format!("{}.{}.{}", parts[0], part(&claims("evil")), parts[2]),
            BY_JWT_AUTHN,
        ),
        (
            "a key by a path".into(),
            forger.token_with(&header(json!({"kid": "../../../../dev/null"})), evil()),
            BY_JWT_AUTHN,
        ),
        (
            "a key by a query".into(),
            forger.token_with(&header(json!({"kid": "x' UNION SELECT 'k"})), evil()),
            BY_JWT_AUTHN,
        ),
        ("a key by a number".into(), forger.token_with(&header(json!({"kid": 1})), evil()), BY_JWT_AUTHN),
        (
            "the key of another kind".into(),
            forger.token_with(&header(json!({"kid": "rsa-1"})), evil()),
            BY_JWT_AUTHN,
        ),
        (
            "a key that is not there".into(),
            forger.token_with(&header(json!({"kid": "key-2"})), evil()),
            BY_JWT_AUTHN,
        ),
        ("no name of a key".into(), forger.token_with(&json!({"alg": "ES256"}), evil()), BY_JWT_AUTHN),
        ("its own key".into(), forger.token_with(&header(json!({"jwk": forged_jwk})), evil()), BY_JWT_AUTHN),
        (
            "its own address of keys".into(),
            forger.token_with(
                &header(json!({"jku": "https://evil.test/keys", "x5u": "https://evil.test/x"})),
                evil(),
            ),
            BY_JWT_AUTHN,
        ),
        ("HS256 by the PEM of RSA".into(), hs256(PEM.as_bytes(), "rsa-1")?, BY_JWT_AUTHN),
        ("HS256 by the PEM, trimmed".into(), hs256(PEM.trim().as_bytes(), "rsa-1")?, BY_JWT_AUTHN),
        ("HS256 by the DER of RSA".into(), hs256(&der, "rsa-1")?, BY_JWT_AUTHN),
        ("HS256 by the modulus".into(), hs256(&modulus, "rsa-1")?, BY_JWT_AUTHN),
        ("HS256 by the JWK".into(), hs256(rsa.to_string().as_bytes(), "rsa-1")?, BY_JWT_AUTHN),
        ("HS256 by the point of EC".into(), hs256(point.as_bytes(), "key-1")?, BY_JWT_AUTHN),
        ("HS256 by nothing".into(), hs256(b"", "")?, BY_JWT_AUTHN),
    ];
    for alg in ["None", "NONE", "nOnE", "", "es256", "ES384", "HS256", "RS256"] {
        let token = forger.token_with(&header(json!({"alg": alg})), evil());
        cases.push((format!("alg {alg:?}, signed"), token.clone(), BY_JWT_AUTHN));
        let (signed, _) = token.rsplit_once('.').unwrap_or_default();
        cases.push((format!("alg {alg:?}, no signature"), format!("{signed}."), BY_JWT_AUTHN));
    }
    let mut attacks = Vec::new();
    for (what, token, expected) in &cases {
        let call = Call::get(QUERY).header("authorization", format!("Bearer {token}"));
        // No other word makes it good.
        let call = if matches!(expected, Reaches(_)) { call } else { call.tenant("evil") };
        attacks.extend(Attack::both(what, &call, *expected));
    }
    gateway.withstand(attacks).await
}

/// Where a token stands, and beside what.
#[tokio::test]
async fn tokens_in_other_places() -> Result<()> {
    let gateway = Gateway::start(Upstream::Http1).await?;
    let (a, b) = (gateway.user("a"), gateway.user("b"));
    let expired = gateway.idp.expired(json!({"tenant": "evil"}));
    let get = || Call::get(QUERY);
    let with = |value: &str| get().header("authorization", value);
    let in_query = Filter(400, "a token among its arguments");
    let agent = basic("agent", "agent-secret");
    let mut attacks = Vec::new();
    for (what, call, expected) in [
        ("two tokens", get().bearer(&a).bearer(&b), BY_JWT_AUTHN),
        ("a good one and a bad one", get().bearer(&a).bearer(&expired), BY_JWT_AUTHN),
        ("in the query", Call::get(&format!("{QUERY}&access_token={a}")), in_query),
        ("in the query, in escapes", Call::get(&format!("{QUERY}&access%5Ftoken={a}")), in_query),
        (
            "in the query, beside the header",
            Call::get(&format!("{QUERY}&access_token={b}")).bearer(&a),
            in_query,
        ),
        ("in the query, bad", Call::get(&format!("{QUERY}&access_token={expired}")), BY_JWT_AUTHN),
        (
            "in a form",
            Call::form("/prometheus/api/v1/query", &[("query", "up"), ("access_token", &a)]),
            Filter(401, "no credentials"),
        ),
        (
            "in a cookie",
            get().header("cookie", format!("access_token={a}; token={a}")),
            Filter(401, "no credentials"),
        ),
        (
            "in another header",
            get().header("x-id-token", &a).header("x-access-token", &a),
            Filter(401, "no credentials"),
        ),
        (
            "in Proxy-Authorization",
            get().header("proxy-authorization", format!("Bearer {a}")),
            Filter(401, "no credentials"),
        ),
        (
            "in underscores",
            get().header("x_authorization", format!("Bearer {a}")),
            Filter(401, "no credentials"),
        ),
        ("as a password", with(&basic("agent", &a)), Filter(401, "the password is wrong")),
        ("after a password", with(&format!("{agent}, Bearer {a}")), Filter(401, "the password is wrong")),
        ("without a scheme", with(&a), UNKNOWN),
        ("nothing", with(""), UNKNOWN),
        ("a scheme alone", with("Bearer"), UNKNOWN),
        ("in another scheme", with(&format!("Token {a}")), UNKNOWN),
        (
            "metadata by a header",
            get().header("x-envoy-dynamic-metadata", "evil").header("x-jwt-payload", part(&claims("evil"))),
            Filter(401, "no credentials"),
        ),
    ] {
        attacks.extend(Attack::both(what, &call, expected));
    }
    gateway.withstand(attacks).await
}

/// A route on which nothing verifies tokens, and one where whatever failed passes.
#[tokio::test]
async fn routes_that_verify_nothing() -> Result<()> {
    let nothing = |mut filter: Value| {
        filter["typed_config"]["rules"] = json!([]);
        filter
    };
    let failed = |mut filter: Value| {
        filter["typed_config"]["rules"][0]["requires"] = json!({"requires_any": {"requirements": [{"provider_name": "idp"}, {"allow_missing_or_failed": {}}]}});
        filter
    };
    for (what, lenient) in [("nothing", false), ("what failed", true)] {
        let idp = Issuer::new("https://idp.test");
        let jwks = idp.jwks();
        let change: &dyn Fn(Value) -> Value = if lenient { &failed } else { &nothing };
        let gateway = Gateway::with(Upstream::Http1, idp, &jwks, plugin(&configuration()), change).await?;
        let good = gateway.idp.token(json!({"tenant": "a"}));
        let honest = if lenient { Reaches("a") } else { UNKNOWN };
        let mut attacks = Vec::new();
        for (token, expected) in [
            (good, honest),
            (gateway.idp.expired(json!({"tenant": "evil"})), UNKNOWN),
            (gateway.idp.unsigned(json!({"tenant": "evil"})), UNKNOWN),
            (Issuer::new("https://idp.test").token(json!({"tenant": "evil"})), UNKNOWN),
            (gateway.other.token(json!({"tenant": "evil"})), UNKNOWN),
            ("evil".to_owned(), UNKNOWN),
        ] {
            attacks.extend(Attack::both(what, &Call::get(QUERY).bearer(&token), expected));
        }
        if lenient {
            gateway.withstand(attacks).await?;
        } else {
            gateway.withstand_all_refused(attacks).await?;
        }
    }
    Ok(())
}

/// A token for somebody else.
#[tokio::test]
async fn audiences() -> Result<()> {
    let idp = Issuer::new("https://idp.test");
    let jwks = idp.jwks();
    let gateway = Gateway::with(Upstream::Http1, idp, &jwks, plugin(&configuration()), |mut filter| {
        filter["typed_config"]["providers"]["idp"]["audiences"] = json!(["metrics"]);
        filter
    })
    .await?;
    let mut attacks = Vec::new();
    for (aud, expected) in [
        (json!("metrics"), Reaches("a")),
        (json!(["grafana", "metrics"]), Reaches("a")),
        (json!("grafana"), ByEnvoy(403)),
        (json!("metrics2"), ByEnvoy(403)),
        (json!("Metrics"), ByEnvoy(403)),
        (json!("grafana metrics"), ByEnvoy(403)),
        (json!([]), ByEnvoy(403)),
        (json!(null), ByEnvoy(401)),
        (json!({"metrics": true}), ByEnvoy(401)),
    ] {
        let token = gateway.idp.token(json!({"tenant": "a", "aud": aud}));
        attacks.extend(Attack::both(&aud.to_string(), &Call::get(QUERY).bearer(&token), expected));
    }
    gateway.withstand_all_refused(attacks).await
}
