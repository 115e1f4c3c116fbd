//! The shipped `deploy/scopegate.yaml`, between stand-ins for Cortex, Loki and the Kubernetes API.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use scopegate_core::caller::password_hash;
use scopegate_tests::bootstrap::module;
use scopegate_tests::client::{Call, Client};
use scopegate_tests::cortex::Cortex;
use scopegate_tests::envoy::Envoy;
use scopegate_tests::identity::{Issuer, basic};
use scopegate_tests::kubernetes::{Kubernetes, Mount};
use scopegate_tests::loki;
use scopegate_tests::oci::{output, scopegate};
use scopegate_tests::remote_write::{TimeSeries, WriteRequest, series};
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

const ISSUER: &str = "https://idp.example.org/realms/platform";
const KEY: &str = "0123456789abcdef0123456789abcdef";
const LABEL: &str = "appuio.io/organization";
/// Where the gateway's pods find what stands beside their configuration.
const SOURCES: &str = "/etc/scopegate/";
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Everything around the gateway.
pub(crate) struct World {
    cortex: Cortex,
    loki: Cortex,
    kubernetes: Kubernetes,
    mount: Mount,
    pub(crate) idp: Issuer,
    pub(crate) files: TempDir,
}

impl World {
    pub(crate) fn new() -> Result<Self> {
        let kubernetes = Kubernetes::start("token")?;
        for (namespace, organisation) in [("shop", "acme"), ("blog", "words")] {
            kubernetes.label(namespace, LABEL, organisation);
        }
        Ok(Self {
            cortex: Cortex::start()?,
            loki: Cortex::start()?,
            kubernetes,
            mount: Mount::new("token")?,
            idp: Issuer::new(ISSUER),
            files: tempfile::tempdir()?,
        })
    }

    /// Where an upstream of this name in the configuration is.
    pub(crate) fn address(&self, upstream: &str) -> Result<SocketAddr> {
        Ok(match upstream {
            "cortex" => self.cortex.address(),
            "loki" => self.loki.address(),
            "kube-api" => self.kubernetes.address(),
            other => bail!("no upstream {other}"),
        })
    }

    /// What is rendered for a target: the files by their names.
    pub(crate) fn render(&self, target: &str) -> Result<Vec<(String, String)>> {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/scopegate.yaml");
        let text = fs::read_to_string(shipped)?;
        let hash = password_hash(KEY.as_bytes(), "forwarder", b"swordfish").map_err(anyhow::Error::msg)?;
        let known = text.split('"').find(|part| part.starts_with("hmac-sha256:")).context("no hash")?;
        let text = text.replace(known, &hash).replace("refresh: 60s", "refresh: 300ms");
        let file = self.files.path().join("scopegate.yaml");
        fs::write(&file, text)?;
        let folder = self.files.path().join("rendered");
        let mut command = scopegate();
        command.arg("render").arg(&file).args(["--to", target, "--wasm"]).arg(module());
        output(command.arg("--output").arg(&folder))?;
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().context("no name")?.to_string_lossy().into_owned();
            files.push((name, fs::read_to_string(path)?));
        }
        Ok(files)
    }

    /// The objects of the one file that is rendered for a target.
    pub(crate) fn objects(&self, target: &str) -> Result<Vec<Value>> {
        let files = self.render(target)?;
        let [(_, text)] = files.as_slice() else { bail!("one file, not {}", files.len()) };
        let documents = text.split("\n---\n").skip(1);
        documents.map(|document| Ok(serde_saphyr::from_str(document)?)).collect()
    }

    /// Puts a file where a pod has it mounted.
    pub(crate) fn mounted(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.files.path().join(name);
        let token = self.mount.token();
        fs::write(&path, text.replace(ACCOUNT, &token.display().to_string()))?;
        Ok(path)
    }

    /// Leads a cluster, or a provider of tokens, to what stands in for it, and everything to free ports and this folder.
    pub(crate) fn moved(&self, mut bootstrap: Value) -> Result<Value> {
        let clusters = bootstrap.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
        let clusters = clusters.context("no clusters")?;
        // Public keys are given right here.
        clusters.retain(|cluster| !cluster["name"].as_str().is_some_and(|name| name.contains("jwks")));
        for cluster in clusters {
            let name = cluster["name"].as_str().context("no name")?.to_owned();
            if name == "scopegate-admin" {
                continue;
            }
            let address = self.address(&name).or_else(|_| {
                let host = name.split("||").nth(1).and_then(|host| host.split('.').next());
                self.address(host.context("no host")?)
            })?;
            cluster["type"] = json!("STATIC");
            let fields = cluster.as_object_mut().context("no cluster")?;
            // What stands in for it speaks no TLS and has no health.
            for field in ["transport_socket", "health_checks", "dns_lookup_family"] {
                fields.remove(field);
            }
            cluster["load_assignment"] = json!({"cluster_name": name, "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"socket_address":
                    {"address": address.ip().to_string(), "port_value": address.port()}}}}]}]});
        }
        let mut bootstrap = bootstrap;
        bootstrap["admin"] = json!({"address": local()});
        walk(&mut bootstrap, &mut |node| {
            if node.get("filter_chains").is_some() || node.get("default_filter_chain").is_some() {
                node["address"] = local();
            }
            if let Some(fields) = node.as_object_mut()
                && fields.remove("remote_jwks").is_some()
            {
                node["local_jwks"] = json!({"inline_string": self.idp.jwks().to_string()});
            }
            if let Some(path) = node.as_str().and_then(beside) {
                *node = json!(self.files.path().join(path));
            }
        });
        Ok(bootstrap)
    }

    /// Starts Envoy as a pod does, with the Secret's variables.
    pub(crate) async fn start(&self, bootstrap: &Value) -> Result<Envoy> {
        Envoy::builder(&format!("{bootstrap:#}")).variable("SCOPEGATE_PASSWORD_KEY", KEY).start().await
    }

    /// What every platform must do: each gets its own, and nobody says which that is.
    pub(crate) async fn is_served_by(&self, client: &Client) -> Result<()> {
        let (metrics, logs) = ("metrics.example.org", "logs.example.org");
        let writer = self.idp.token(json!({"sub": "s", "azp": "prometheus", "aud": ["scopegate"]}));
        let of = |namespace: &str| series(&[("__name__", "up"), ("namespace", namespace)], 1, 1.0);
        let push = |all: Vec<TimeSeries>| WriteRequest::of(all).push().authority(metrics);
        // Until the namespaces are known writes wait.
        eventually(DEADLINE, || async {
            client.send(push(vec![of("shop")]).bearer(&writer)).await?.expect(200).map(drop)
        })
        .await?;
        self.cortex.forget();
        client.send(push(vec![of("shop"), of("blog"), of("new")]).bearer(&writer)).await?.expect(200)?;
        {
            let state = self.cortex.state();
            ensure!(state.tenants() == ["acme", "platform", "words"], "{}", state.summary());
            for request in &state.requests {
                ensure!(request.header("authorization").is_none(), "the token went on");
                ensure!(request.header_values("x-scope-orgid").len() == 1, "{}", state.summary());
            }
        }
        // A body that Envoy's own limits would have refused is held: 3 MB, many series.
        let pad = "x".repeat(2000);
        let wide = |n: usize| {
            series(&[("__name__", "up"), ("namespace", "shop"), ("pad", &format!("{n}{pad}"))], 1, 1.0)
        };
        let mut many: Vec<TimeSeries> = (0..1500).map(wide).collect();
        many.push(of("blog"));
        client.send(push(many).bearer(&writer)).await?.expect(200)?;
        // By password, whose key came out of the environment.
        let password = |word: &str| basic("forwarder", word);
        let call = |word: &str| push(vec![of("own")]).header("authorization", password(word));
        client.send(call("swordfish")).await?.expect(200)?;
        client.send(call("sword")).await?.expect(401)?;
        // Loki stands behind the same gateway, by its host.
        let streams = [loki::stream(&[("namespace", "shop")], &[("line", &[])])];
        let log = loki::push(loki::Form::Json, &streams).authority(logs).bearer(&writer);
        client.send(log).await?.expect(204)?;
        ensure!(self.loki.state().tenants() == ["acme"], "{}", self.loki.state().summary());
        // Reads: what a token says, and no more.
        self.cortex.forget();
        let groups = json!(["organization:acme", "organization:words", "staff"]);
        let user = self.idp.token(json!({"sub": "u", "groups": groups, "aud": ["scopegate"]}));
        let query = || Call::query("/prometheus/api/v1/query", &[("query", "up")]).authority(metrics);
        client.send(query().bearer(&user)).await?.expect(200)?;
        client.send(query().bearer(&user).tenant("acme")).await?.expect(200)?;
        {
            let state = self.cortex.state();
            let told: Vec<_> = state.requests.iter().map(|request| request.tenant.clone()).collect();
            ensure!(told == [Some("acme|words".to_owned()), Some("acme".to_owned())], "{told:?}");
        }
        self.cortex.forget();
        let elsewhere = Issuer::new("https://elsewhere.example.org");
        let stranger = elsewhere.token(json!({"groups": groups, "azp": "prometheus", "aud": ["scopegate"]}));
        let forged = Issuer::new(ISSUER).token(json!({"groups": groups, "aud": ["scopegate"]}));
        let other_audience = self.idp.token(json!({"groups": groups, "aud": ["else"]}));
        for (call, accepted) in [
            (query().bearer(&user).tenant("platform"), [403, 403]),
            (query().tenant("acme"), [401, 403]),
            (query().bearer(&stranger), [401, 401]),
            (query().bearer(&forged), [401, 401]),
            (query().bearer(&other_audience), [403, 403]),
            (query().bearer(&self.idp.expired(json!({"groups": groups, "aud": ["scopegate"]}))), [401, 401]),
            (push(vec![of("shop")]).bearer(&user), [403, 403]),
        ] {
            let answer = client.send(call).await?;
            ensure!(accepted.contains(&answer.status), "{answer}");
        }
        ensure!(self.cortex.state().requests.is_empty(), "{}", self.cortex.state().summary());
        Ok(())
    }

    /// Everything is answered by this status, and no backend hears of it.
    pub(crate) async fn is_closed(&self, client: &Client, status: u16) -> Result<()> {
        self.cortex.forget();
        let user = self.idp.token(json!({"sub": "u", "groups": ["organization:acme"], "aud": ["scopegate"]}));
        let query =
            Call::query("/prometheus/api/v1/query", &[("query", "up")]).authority("metrics.example.org");
        client.send(query.bearer(&user).tenant("acme")).await?.expect(status)?;
        ensure!(self.cortex.state().requests.is_empty(), "{}", self.cortex.state().summary());
        Ok(())
    }
}

/// What stands beside the configuration, by the whole path or as a pod's Envoy sees it.
fn beside(path: &str) -> Option<&str> {
    path.strip_prefix(SOURCES).or_else(|| path.strip_prefix("./"))
}

/// A free port of the loopback interface.
pub(crate) fn local() -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}})
}

/// Everything in a value.
pub(crate) fn walk(value: &mut Value, change: &mut impl FnMut(&mut Value)) {
    change(value);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, change)),
        Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, change)),
        _ => {}
    }
}

/// The objects of a kind.
pub(crate) fn of_kind<'o>(objects: &'o [Value], kind: &str) -> impl Iterator<Item = &'o Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

/// The items of a list, or none.
pub(crate) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
