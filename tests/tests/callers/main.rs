//! Who is calling, by every source of `docs/callers.md` in a real Envoy: who got which tenants, and who was refused, and why.
//! The configurations are the page's own.

mod certificates;
mod gateway;
mod page;
mod proxies;
mod rights;
mod secrets;
mod tokens;
