//! Where Scopegate's filters stand in an Envoy configuration: a bootstrap, a list of resources, an Istio `EnvoyFilter`.

use crate::document::Node;

/// One of Scopegate's filters.
pub(super) struct Filter<'d> {
    /// Its `PluginConfig`.
    pub(super) plugin: &'d Node,
    /// Its configuration, and the path of that.
    pub(super) configuration: &'d Node,
    pub(super) path: String,
    /// The connection manager that it stands in, and what is around that; an `EnvoyFilter` has none.
    pub(super) around: Option<Around<'d>>,
}

/// What stands around a filter.
#[derive(Clone, Copy)]
pub(super) struct Around<'d> {
    pub(super) listener: &'d Node,
    /// The filter chain, which has the TLS context.
    pub(super) chain: &'d Node,
    pub(super) manager: &'d Node,
    /// Its position among the HTTP filters.
    pub(super) position: usize,
}

const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const MANAGER: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// Every Scopegate filter of a document.
pub(super) fn filters(root: &Node) -> Vec<Filter<'_>> {
    let mut filters = Vec::new();
    root.walk("", &mut |path, node| {
        let Some(plugin) = node.get("config").filter(|_| is(node, WASM)) else { return };
        let Some(configuration) = plugin.find(&["configuration", "value"]) else { return };
        let named = |field| plugin.get(field).and_then(Node::text) == Some("scopegate");
        let is_like_ours = configuration.get("backends").is_some() && configuration.get("callers").is_some();
        if named("name") || named("root_id") || is_like_ours {
            let path = format!("{path}.config.configuration.value");
            filters.push(Filter { plugin, configuration, path, around: around(root, plugin) });
        }
    });
    filters
}

/// Every listener with its filter chains and their connection managers.
pub(super) fn managers(root: &Node) -> Vec<(&Node, &Node, &Node)> {
    let mut managers = Vec::new();
    root.walk("", &mut |_, listener| {
        let chains = listener.get("filter_chains").map_or(&[][..], Node::items);
        for chain in chains.iter().chain(listener.get("default_filter_chain")) {
            let filters = chain.get("filters").map_or(&[][..], Node::items);
            let configs = filters.iter().filter_map(|filter| filter.get("typed_config"));
            managers.extend(
                configs.filter(|config| is(config, MANAGER)).map(|manager| (listener, chain, manager)),
            );
        }
    });
    managers
}

/// The HTTP filters of a connection manager.
pub(super) fn http_filters(manager: &Node) -> &[Node] {
    manager.get("http_filters").map_or(&[], Node::items)
}

/// Whether a typed configuration is of this type.
pub(super) fn is(config: &Node, url: &str) -> bool {
    config.get("@type").and_then(Node::text) == Some(url)
}

fn around<'d>(root: &'d Node, plugin: &'d Node) -> Option<Around<'d>> {
    managers(root).into_iter().find_map(|(listener, chain, manager)| {
        let position = http_filters(manager).iter().position(|filter| {
            filter.find(&["typed_config", "config"]).is_some_and(|config| std::ptr::eq(config, plugin))
        })?;
        Some(Around { listener, chain, manager, position })
    })
}
