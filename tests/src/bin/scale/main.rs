//! What grows with the number of tenants: a table of 10,000 organisations and 100,000 namespaces, and one request for 1,000
//! tenants, in a real Envoy with one worker. `cargo xtask bench` measures the requests themselves; docs/scale.md tells what
//! follows.
//!
//! `ENVOY_BIN=… SCOPEGATE_WASM=… cargo run -p scopegate-tests --bin scale`

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use scopegate_core::caller::password_hash;
use scopegate_tests::bootstrap::{Bootstrap, Cluster, Listener, Plugin};
use scopegate_tests::client::Call;
use scopegate_tests::cortex::Cortex;
use scopegate_tests::envoy::Envoy;
use scopegate_tests::identity::basic;
use scopegate_tests::remote_write::WriteRequest;
use scopegate_tests::wait::eventually;
use serde_json::{Map, Value, json};

const NAMESPACES: usize = 100_000;
const ORGANISATIONS: usize = 10_000;
const LABEL: &str = "namespace";
const KEY: &str = "a key for measurements";
const USER: &str = "forwarder";
const PASSWORD: &str = "a password for measurements";
/// The host of the backend where series have the tenants of their namespaces.
const SPLIT: &str = "split.example.org";
/// The host of the one where all is the caller's own, so that nobody looks into bodies.
const DIRECT: &str = "direct.example.org";
const DEADLINE: Duration = Duration::from_secs(300);

#[tokio::main]
async fn main() -> Result<()> {
    let entry = |number: usize| {
        (format!("namespace-{number:06}"), json!(format!("org-{:05}", number % ORGANISATIONS)))
    };
    let large: Map<String, Value> = (0..NAMESPACES).map(entry).collect();
    let small: Map<String, Value> = (0..10).map(entry).collect();
    let (large, small) = (Value::from(large).to_string(), Value::from(small).to_string());
    println!("the table as JSON: {:.1} MB", megabytes(large.len()));

    // Namespaces whose organisations are ten, or a thousand, different ones.
    let spread = |series: usize, tenants: usize| {
        WriteRequest::realistic(series)
            .with_label(LABEL, |number| format!("namespace-{:06}", number % tenants))
    };
    let none = World::start(&small, 10, 1).await?;
    for workers in [1, 2, 4] {
        let rest = World::start(&small, 10, workers).await?.memory()?;
        let world = World::start(&large, NAMESPACES, workers).await?;
        println!(
            "{workers} workers: table in force after {:.1} s and {:.2} s of CPU; {:.1} MB, beyond a table of ten entries {:.1} MB",
            world.loaded.as_secs_f64(),
            world.cpu.as_secs_f64(),
            world.memory()? / 1e6,
            (world.memory()? - rest) / 1e6,
        );
    }
    println!("(table of ten entries: {:.2} s of CPU until it is in force)", none.cpu.as_secs_f64());
    let all = World::start(&large, NAMESPACES, 1).await?;
    for round in 1..=3 {
        println!("round {round}");
        for (name, world, host, series, tenants, requests) in [
            ("500 series, decided by the head", &all, DIRECT, 500, 1, 2000),
            ("2000 series, decided by the head", &all, DIRECT, 2000, 1, 1000),
            ("500 series, one tenant", &all, SPLIT, 500, 1, 1000),
            ("2000 series, one tenant", &all, SPLIT, 2000, 1, 400),
            ("500 series, 10 tenants, table of 10", &none, SPLIT, 500, 10, 400),
            ("500 series, 10 tenants, table of 100,000", &all, SPLIT, 500, 10, 400),
            ("2000 series, 10 tenants", &all, SPLIT, 2000, 10, 200),
            ("2000 series, 100 tenants", &all, SPLIT, 2000, 100, 100),
            ("2000 series, 1000 tenants", &all, SPLIT, 2000, 1000, 20),
        ] {
            let cpu = world.cost(host, &spread(series, tenants), requests).await?;
            println!("  {name}: {cpu:.3} ms of CPU a request");
        }
    }
    println!("memory after: {:.1} MB", all.memory()? / 1e6);
    Ok(())
}

struct World {
    envoy: Envoy,
    loaded: Duration,
    cpu: Duration,
    _sink: Cortex,
}

impl World {
    async fn start(table: &str, entries: usize, workers: u32) -> Result<Self> {
        let sink = Cortex::sink()?;
        let source = serve(table.to_owned())?;
        let hash = match password_hash(KEY.as_bytes(), USER, PASSWORD.as_bytes()) {
            Ok(hash) => hash,
            Err(problem) => bail!(problem),
        };
        let policy = json!({
            "backends": [
                {"name": "split", "kind": "cortex", "host": SPLIT},
                {"name": "direct", "kind": "cortex", "host": DIRECT},
            ],
            "callers": [{
                "name": "forwarders", "tenants": ["platform"], "may": ["write"], "on_behalf_of": ["*"],
                "basic": {"key": {"env": "KEY"}, "users": [{"username": USER, "password": hash}]},
            }],
            "tables": {"organisations": {"http": {"cluster": "source", "path": "/", "refresh": "1h"}}},
            "write": {"split": {"tenant": [{"label": LABEL, "table": "organisations"}, "caller"]}},
            "limits": {"tenants": 1000},
        });
        let filter = Plugin::structured(&policy).variable("KEY", KEY).filter();
        let listener = Listener::new("gateway").filter(filter).buffer_limit(9 << 20).route("/", "cortex");
        let bootstrap = Bootstrap::new()
            .filter_tags()
            .listener(listener)
            .cluster(Cluster::http1("cortex", sink.address()))
            .cluster(
                Cluster::http1("source", source).set("per_connection_buffer_limit_bytes", json!(16 << 20)),
            );
        let begun = Instant::now();
        let envoy = Envoy::builder(&bootstrap).concurrency(workers).deadline(DEADLINE).start().await?;
        let wanted = format!("scopegate_table_entries{{table=\"organisations\"}} {entries}");
        let admin = &envoy.admin()?;
        eventually(DEADLINE, || async {
            let told = admin.prometheus().await?;
            if told.contains(&wanted) { Ok(()) } else { bail!("no table yet") }
        })
        .await?;
        let world = Self { loaded: begun.elapsed(), cpu: envoy.process()?.cpu_time()?, envoy, _sink: sink };
        // Each worker takes it over with the first request that needs it.
        let request =
            WriteRequest::realistic(10).with_label(LABEL, |number| format!("namespace-{number:06}"));
        for _ in 0..workers * 8 {
            world.send(&request).await?;
        }
        Ok(world)
    }

    fn memory(&self) -> Result<f64> {
        #[expect(clippy::cast_precision_loss, reason = "far less than 2^52")]
        Ok(self.envoy.process()?.memory()? as f64)
    }

    async fn send(&self, request: &WriteRequest) -> Result<()> {
        self.envoy.http1()?.connect().await?.send(call(SPLIT, request)).await?.expect(200)?;
        Ok(())
    }

    /// Milliseconds of CPU of the process for a request.
    async fn cost(&self, host: &str, request: &WriteRequest, requests: u32) -> Result<f64> {
        let mut connection = self.envoy.http1()?.connect().await?;
        let call = call(host, request);
        let before = self.envoy.process()?.cpu_time()?;
        for _ in 0..requests {
            connection.send(call.clone()).await?.expect(200)?;
        }
        let spent = self.envoy.process()?.cpu_time()?.saturating_sub(before);
        Ok(spent.as_secs_f64() * 1e3 / f64::from(requests))
    }
}

fn call(host: &str, request: &WriteRequest) -> Call {
    request.push().authority(host).header("authorization", basic(USER, PASSWORD))
}

/// A server that gives the same to everybody, until the process ends.
fn serve(body: String) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever went away needs no answer.
            let _ = answer(stream, &body);
        }
    });
    Ok(address)
}

fn answer(mut stream: TcpStream, body: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

#[expect(clippy::cast_precision_loss, reason = "far less than 2^52")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
