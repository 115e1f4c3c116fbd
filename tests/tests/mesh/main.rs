//! What `scopegate render` makes for Kubernetes and what runs on it, lifted into the configuration that a real Envoy gets
//! there: Istio's patches over what its pilot makes, Envoy Gateway's over what that makes. Each serves the same requests.

mod envoy_gateway;
mod istio;
mod kubernetes;
mod world;
