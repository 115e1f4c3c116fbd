//! What stands behind the gateway, and its names.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result};
use scopegate_tests::certificates::{Authority, Names as Holder};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::command;
use scopegate_tests::cortex::{Cortex, Received};
use scopegate_tests::envoy::{Builder, Envoy};
use scopegate_tests::example::Example;
use scopegate_tests::identity::basic;
use scopegate_tests::names::Names;
use scopegate_tests::nginx::{self, Nginx};
use scopegate_tests::ports::Reservation;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The key that the example's README names.
pub(crate) const KEY: &str = "only-for-this-example-never-elsewhere";
/// The users of the example, with the passwords of its old file.
pub(crate) const TEAM_A: (&str, &str) = ("team-a", "5b0e7b1c1f0c4bd2a9c8d0a4a1a7f3e6");
pub(crate) const TEAM_B: (&str, &str) = ("team-b", "0d6fb0f2f34a4c0e9fb7f3a5c1d2e8b4");
pub(crate) const GRAFANA: (&str, &str) = ("grafana", "9c2a6f0e7d1b4835ae90c4d3b2f1a807");

/// With a user's password.
pub(crate) fn by((name, password): (&str, &str), call: Call) -> Call {
    call.header("authorization", basic(name, password))
}

/// One component: a stand-in that keeps what arrived, behind an nginx at each of several addresses with one port.
pub(crate) struct Component {
    pub(crate) cortex: Cortex,
    addresses: Vec<SocketAddr>,
    /// Keep the port while nobody listens.
    _reserved: Vec<Reservation>,
    /// None where it is down.
    pub(crate) nginx: Vec<Option<Nginx>>,
    /// What its nginx are told of TLS.
    ssl: String,
}

impl Component {
    /// One that is up at all these addresses.
    pub(crate) async fn start(addresses: &[&str]) -> Result<Self> {
        Self::start_with(addresses, String::new()).await
    }

    /// The same with TLS, by a certificate for this name.
    pub(crate) async fn tls(addresses: &[&str], authority: &Authority, name: &str) -> Result<Self> {
        let identity =
            authority.sign(name, &Holder { common_name: name, dns: &[name], ..Holder::default() })?;
        Self::start_with(addresses, certificate(&identity.tls_certificate())).await
    }

    async fn start_with(addresses: &[&str], ssl: String) -> Result<Self> {
        let cortex = Cortex::start()?;
        let (addresses, reserved) = reserve(addresses)?;
        let nginx = addresses.iter().map(|_| None).collect();
        let mut component = Self { cortex, addresses, _reserved: reserved, nginx, ssl };
        for position in 0..component.addresses.len() {
            component.up(position).await?;
        }
        Ok(component)
    }

    /// The port of all addresses.
    pub(crate) fn port(&self) -> u16 {
        self.addresses[0].port()
    }

    /// Nobody listens at this address any more.
    pub(crate) fn down(&mut self, position: usize) {
        self.nginx[position] = None;
    }

    /// Somebody listens there again.
    pub(crate) async fn up(&mut self, position: usize) -> Result<()> {
        self.up_with(position, &format!("proxy_pass http://{};", self.cortex.address())).await
    }

    /// Somebody listens there who does this with every request.
    pub(crate) async fn up_with(&mut self, position: usize, location: &str) -> Result<()> {
        let address = self.addresses[position];
        self.nginx[position] = None;
        let server = nginx::with(address, &self.ssl, location);
        self.nginx[position] = Some(Nginx::start(&server, &[address]).await?);
        Ok(())
    }

    /// The addresses that requests came through, in their order.
    pub(crate) fn through(&self) -> Vec<String> {
        let state = self.cortex.state();
        state.requests.iter().map(|request| request.header("x-through").unwrap_or("-").to_owned()).collect()
    }

    /// The one request that arrived since the last look.
    pub(crate) fn only(&self) -> Result<Received> {
        let requests = self.cortex.state().requests.clone();
        self.cortex.forget();
        let summary: Vec<String> = requests.iter().map(|request| request.target.clone()).collect();
        let [only] =
            <[Received; 1]>::try_from(requests).ok().with_context(|| format!("arrived: {summary:?}"))?;
        Ok(only)
    }

    /// That nothing arrived.
    pub(crate) fn nothing(&self) {
        let state = self.cortex.state();
        assert!(state.requests.is_empty(), "{}", state.summary());
    }
}

/// What nginx is told of a certificate.
fn certificate(files: &Value) -> String {
    let file = |kind: &str| files[kind]["filename"].as_str().unwrap_or_default().to_owned();
    format!("ssl_certificate {}; ssl_certificate_key {};", file("certificate_chain"), file("private_key"))
}

/// One port that is free at all these addresses.
fn reserve(addresses: &[&str]) -> Result<(Vec<SocketAddr>, Vec<Reservation>)> {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| Ok(text.parse()?)).collect::<Result<_>>()?;
    let mut last = None;
    // A port that is free at one may be taken at another.
    for _ in 0..50 {
        let mut reserved: Vec<Reservation> = Vec::new();
        let port = |reserved: &[Reservation]| reserved.first().map_or(0, |first| first.address().port());
        for ip in &addresses {
            match Reservation::of(SocketAddr::new(*ip, port(&reserved))) {
                Ok(one) => reserved.push(one),
                Err(error) => last = Some(error),
            }
        }
        if reserved.len() == addresses.len() {
            return Ok((reserved.iter().map(Reservation::address).collect(), reserved));
        }
    }
    Err(last.context("no addresses")?)
}

/// An address of the loopback interface for Envoy's admin interface, whose port must be known before.
pub(crate) fn admin() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, 128 | (high >> 1), low, NEXT.fetch_add(1, Ordering::Relaxed));
    SocketAddr::from((ip, 9901))
}

/// The example as it is shipped, before nginx.
pub(crate) struct World {
    pub(crate) envoy: Envoy,
    pub(crate) names: Names,
    pub(crate) distributor: Component,
    pub(crate) frontend: Component,
    pub(crate) ruler: Component,
    pub(crate) alertmanager: Component,
    _dir: TempDir,
}

impl World {
    /// With every component up: the distributor and the frontend at three addresses, the alertmanager by TLS.
    pub(crate) async fn start() -> Result<Self> {
        const THREE: [&str; 3] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
        const ALERTMANAGER: &str = "alertmanager.example.org";
        let dir = tempfile::tempdir()?;
        let authority = Authority::new(dir.path(), "upstreams")?;
        let (distributor, frontend) = (Component::start(&THREE).await?, Component::start(&THREE).await?);
        let ruler = Component::start(&["::1"]).await?;
        let alertmanager = Component::tls(&["127.0.0.1"], &authority, ALERTMANAGER).await?;
        let names = Names::start().await?;
        names.set("distributor.cortex.svc", &THREE)?;
        names.set("query-frontend.cortex.svc", &THREE)?;
        names.set("ruler.cortex.svc", &["::1"])?;
        names.set(ALERTMANAGER, &["127.0.0.1"])?;

        let mut example = Example::load("auth-gateway")?;
        let bootstrap = example.value();
        let admin = admin();
        let address = json!({"address": admin.ip().to_string(), "port_value": admin.port()});
        bootstrap["admin"] = json!({"address": {"socket_address": address}});
        bootstrap["typed_dns_resolver_config"] = names.resolver();
        for cluster in bootstrap["static_resources"]["clusters"].as_array_mut().context("clusters")? {
            let name = cluster["name"].as_str().context("a name")?.to_owned();
            let socket = cluster
                .pointer_mut("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address")
                .context("an address")?;
            socket["port_value"] = match name.as_str() {
                "distributor" => json!(distributor.port()),
                "frontend" => json!(frontend.port()),
                "ruler" => json!(ruler.port()),
                "alertmanager" => json!(alertmanager.port()),
                _ => {
                    *socket = address.clone();
                    continue;
                }
            };
            // Looked at more often than anybody would, and with more patience.
            cluster["health_checks"][0]["timeout"] = json!("20s");
            cluster["health_checks"][0]["interval"] = json!("0.1s");
            cluster["health_checks"][0]["no_traffic_interval"] = json!("0.1s");
            cluster["health_checks"][0]["no_traffic_healthy_interval"] = json!("0.1s");
            if let Some(dns) = cluster.pointer_mut("/cluster_type/typed_config") {
                dns["dns_refresh_rate"] = json!("0.2s");
            }
            if name == "alertmanager" {
                let validation = &mut cluster["transport_socket"]["typed_config"]["common_tls_context"]["validation_context"];
                validation["trusted_ca"]["filename"] = json!(authority.file());
            }
        }
        let envoy = Envoy::builder(&example).variable("SCOPEGATE_PASSWORD_KEY", KEY).start().await?;
        let world = Self { envoy, names, distributor, frontend, ruler, alertmanager, _dir: dir };
        world.operations()?.wait_for("/ready", 200).await?;
        Ok(world)
    }

    /// The port of the tenants.
    pub(crate) fn gateway(&self) -> Result<Client> {
        Ok(Client::http1(self.envoy.listener("gateway")?))
    }

    /// The port for who runs it.
    pub(crate) fn operations(&self) -> Result<Operations> {
        Ok(Operations(Client::http1(self.envoy.listener("operations")?)))
    }
}

/// The port for who runs the gateway.
pub(crate) struct Operations(pub(crate) Client);

impl Operations {
    /// Waits until a path is answered so.
    pub(crate) async fn wait_for(&self, path: &str, status: u16) -> Result<()> {
        use scopegate_tests::wait::{DEADLINE, eventually};
        let client = self.0;
        eventually(DEADLINE, || async move { client.get(path).await?.expect(status).map(drop) }).await
    }
}

/// An Envoy with what is rendered of a configuration, which may name ports 0, as a builder to be started.
pub(crate) fn rendered(configuration: &str, names: Option<&Names>) -> Result<Builder> {
    let mut files = command::render(configuration)?.into_iter();
    let (_, envoy) = files.next().context("a bootstrap")?;
    // What is at the end is of the bootstrap itself.
    let resolver =
        names.map_or_else(String::new, |names| format!("typed_dns_resolver_config: {}\n", names.resolver()));
    // Envoys of all tests run at once.
    let envoy = envoy.replace("port_value: 9901", "port_value: 0");
    let builder = Envoy::builder(&format!("{envoy}{resolver}"));
    Ok(files.fold(builder, |builder, (name, text)| builder.file(&name, &text)))
}
