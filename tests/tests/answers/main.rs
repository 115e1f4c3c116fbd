//! Rules, alerts and silences of tenants that a label keeps apart, in front of the real Alertmanager and the real
//! Prometheus, and of a backend that answers as no real one does.

mod alertmanager;
mod attacks;
mod canned;
mod gateway;
mod growing;
mod held;
mod prometheus;
