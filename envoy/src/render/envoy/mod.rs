//! The parts of Envoy's configuration, as each target needs some of them.

mod clusters;
mod filters;
mod listeners;
mod routes;
mod secrets;

pub(super) use clusters::{admin as admin_cluster, cluster, module as module_cluster};
pub(super) use filters::{MODULE_CLUSTER, filters, peer, plugin, stats_tags};
pub(super) use listeners::{listener, manager, operations};
pub(super) use routes::virtual_hosts;
pub(super) use secrets::secrets;

use std::net::SocketAddr;

use crate::yaml::{Fields, Yaml};

/// A typed configuration.
pub(super) fn typed(name: &str, fields: Fields) -> Fields {
    Fields::new().with("@type", format!("type.googleapis.com/{name}")).and(fields)
}

/// An extension with its typed configuration.
pub(super) fn extension(name: &str, kind: &str, fields: Fields) -> Fields {
    Fields::new().with("name", name).with("typed_config", typed(kind, fields))
}

/// A time in milliseconds, as protobuf's JSON has it.
pub(super) fn seconds(millis: u32) -> String {
    let (whole, rest) = (millis / 1000, millis % 1000);
    if rest == 0 { format!("{whole}s") } else { format!("{whole}.{rest:03}s") }
}

/// An address to listen on, or to call.
pub(super) fn address(address: SocketAddr) -> Fields {
    let is_any = address.ip().is_unspecified() && address.is_ipv6();
    let socket = socket(&address.ip().to_string(), address.port());
    Fields::new().with("socket_address", if is_any { socket.with("ipv4_compat", true) } else { socket })
}

fn socket(host: &str, port: u16) -> Fields {
    Fields::new().with("address", host).with("port_value", port)
}

/// A list of one.
pub(super) fn one(item: impl Into<Yaml>) -> Yaml {
    Yaml::List(vec![item.into()])
}

pub(super) fn texts(list: &[String]) -> Yaml {
    Yaml::List(list.iter().map(Yaml::from).collect())
}
