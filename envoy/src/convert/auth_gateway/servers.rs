//! Its two servers: the listener, and the port of operations.

use super::read::{Map, written};
use crate::document::Node;
use crate::gateway::Problem;
use crate::yaml::Fields;

const FIELDS: [&str; 5] =
    ["address", "port", "http_server_read_timeout", "http_server_write_timeout", "http_server_idle_timeout"];
/// In milliseconds: what is less makes senders lose data.
const LEAST_REQUEST_TIMEOUT: u32 = 60_000;

/// What the server becomes.
pub(super) struct Server {
    pub(super) listener: Fields,
    /// In milliseconds: no request took longer.
    pub(super) write_timeout: Option<u32>,
}

/// The server of the tenants.
pub(super) fn server(node: Option<&Node>, problems: &mut Vec<Problem>) -> Server {
    let map = node.map(|node| Map::new(node, "server", &FIELDS, problems));
    let address = address(map.as_ref(), 80, problems);
    let mut listener = Fields::new().with("name", "gateway").with("address", address);
    let mut write_timeout = None;
    if let Some(map) = &map {
        if let Some(time) = map.time("http_server_read_timeout", problems) {
            if time < LEAST_REQUEST_TIMEOUT {
                problems.push(
                    Problem::warning(
                        map.path("http_server_read_timeout"),
                        format!("{} for a request with its body is too short, and 120s stand in its place", written(time)),
                    )
                    .help(
                        "Envoy answers 408 to who is slower, for which Prometheus drops its batch; the old gateway broke the \
                         connection, and the batch was sent again",
                    ),
                );
            } else {
                listener = listener.with("request_timeout", written(time));
            }
        }
        write_timeout = map.time("http_server_write_timeout", problems);
        if let Some(time) = map.time("http_server_idle_timeout", problems) {
            listener = listener.with("idle_timeout", written(time));
        }
    }
    Server { listener, write_timeout }
}

/// The server that needs no password.
pub(super) fn admin(node: Option<(&str, &Node)>, problems: &mut Vec<Problem>) -> Fields {
    let map = node.map(|(name, node)| Map::new(node, name, &FIELDS, problems));
    match node {
        None => problems.push(
            Problem::warning("", "there is no `admin`: its port was 8081 on every address, and so is that of `operations`")
                .help("take `operations` out where nobody asks for /metrics and /ready"),
        ),
        Some(("debug", _)) => problems.push(Problem::warning(
            "debug",
            "the old gateway called this `admin` and refused the file, whatever its README says: it is taken for `admin`",
        )),
        Some(_) => {}
    }
    for name in &FIELDS[2..] {
        if let Some(map) = &map
            && map.time(name, problems).is_some()
        {
            problems.push(Problem::warning(
                map.path(name),
                "not taken over: Envoy answers here at once, or not at all",
            ));
        }
    }
    Fields::new().with("address", address(map.as_ref(), 8081, problems))
}

/// Where a server listens, as an address with a port.
fn address(map: Option<&Map<'_>>, default: u16, problems: &mut Vec<Problem>) -> String {
    let port = map.and_then(|map| map.port("port", problems)).unwrap_or(default);
    let host = map.and_then(|map| map.text("address", problems)).unwrap_or_default();
    // Go takes an address and a port with a colon between them, so that IPv6 is in brackets already.
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
    let ip = match bare {
        "" => "0.0.0.0".to_owned(),
        "localhost" => "127.0.0.1".to_owned(),
        bare => match bare.parse::<std::net::IpAddr>() {
            Ok(ip @ std::net::IpAddr::V4(_)) => ip.to_string(),
            Ok(ip @ std::net::IpAddr::V6(_)) => format!("[{ip}]"),
            Err(_) => {
                let path = map.map_or_else(String::new, |map| map.path("address"));
                problems.push(
                    Problem::error(path, format!("Envoy listens on IP addresses, and `{bare}` is a name"))
                        .help("write the address, or leave it out for all of them"),
                );
                bare.to_owned()
            }
        },
    };
    format!("{ip}:{port}")
}
