//! A name server: whatever names a test wants, at whatever addresses, and other ones a moment later.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::{net::UdpSocket, task::JoinHandle};

/// The addresses of names.
type Table = Arc<Mutex<BTreeMap<String, Vec<IpAddr>>>>;

/// A running name server, stopped on drop. It knows A and AAAA, and answers at once.
#[derive(Debug)]
pub struct Names {
    address: SocketAddr,
    table: Table,
    server: JoinHandle<()>,
}

impl Drop for Names {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Names {
    /// Starts without any name.
    pub async fn start() -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let (address, table) = (socket.local_addr()?, Table::default());
        let server = tokio::spawn(serve(socket, Arc::clone(&table)));
        Ok(Self { address, table, server })
    }

    /// From now on this name has these addresses.
    pub fn set(&self, name: &str, addresses: &[&str]) -> Result<()> {
        let addresses = addresses.iter().map(|text| text.parse().with_context(|| (*text).to_owned()));
        let addresses = addresses.collect::<Result<_>>()?;
        self.table.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), addresses);
        Ok(())
    }

    /// The field `typed_dns_resolver_config` of a bootstrap that asks this server, and no other.
    pub fn resolver(&self) -> Value {
        let address = json!({"address": self.address.ip().to_string(), "port_value": self.address.port()});
        json!({
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
                "resolvers": [{"socket_address": address}],
                "dns_resolver_options": {"no_default_search_domain": true},
            }
        })
    }
}

async fn serve(socket: UdpSocket, table: Table) {
    let mut buffer = [0; 512];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let answer = answer(&buffer[..length], &table.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(answer) = answer {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

/// The answer to a query of one question (RFC 1035).
fn answer(query: &[u8], table: &BTreeMap<String, Vec<IpAddr>>) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    let mut name = Vec::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        name.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
    let question = query.get(HEADER..at + 4)?;
    let known = table.get(&name.join("."));
    let mut records = Vec::new();
    let mut count = 0_u16;
    for address in known.into_iter().flatten() {
        let data = match (address, kind) {
            (IpAddr::V4(address), 1) => address.octets().to_vec(),
            (IpAddr::V6(address), 28) => address.octets().to_vec(),
            _ => continue,
        };
        count += 1;
        // The name of the question, the kind, the internet, for a second.
        records.extend([0xc0, 0x0c]);
        records.extend(kind.to_be_bytes());
        records.extend([0, 1, 0, 0, 0, 1]);
        records.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        records.extend(data);
    }
    let mut answer = query.get(..2)?.to_vec();
    let code = if known.is_some() { 0 } else { 3 };
    answer.extend([0x85, 0x80 | code, 0, 1]);
    answer.extend(count.to_be_bytes());
    answer.extend([0, 0, 0, 0]);
    answer.extend(question);
    answer.extend(records);
    Some(answer)
}
