//! Where the samples arrive: the built-in stand-in, or a real Cortex.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::cortex::Cortex;
use serde_json::Value;

/// A backend, asked directly and not through Envoy.
pub(crate) struct Backend {
    address: SocketAddr,
    /// Keeps the stand-in running.
    stand_in: Option<Cortex>,
}

impl Backend {
    /// The real one at this address, or the stand-in.
    pub(crate) fn start(real: Option<SocketAddr>) -> Result<Self> {
        if let Some(address) = real {
            return Ok(Self { address, stand_in: None });
        }
        let stand_in = Cortex::start()?;
        Ok(Self { address: stand_in.address(), stand_in: Some(stand_in) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it is, in words.
    pub(crate) fn describe(&self) -> String {
        match self.stand_in {
            Some(_) => "a built-in stand-in for Cortex, as strict and as lax as the real one".to_owned(),
            None => "the Cortex that CORTEX_URL names".to_owned(),
        }
    }

    /// How many series of `tenant` match `selector` now.
    pub(crate) async fn count(&self, tenant: &str, selector: &str) -> Result<u64> {
        let query = format!("count({selector})");
        let call = Call::query("/prometheus/api/v1/query", &[("query", &query)]).tenant(tenant);
        let answer = Client::http1(self.address).send(call).await?.expect(200)?.json()?;
        let results = results(&answer)?;
        let value = results.first().and_then(|result| result["value"][1].as_str()).unwrap_or("0");
        value.parse().with_context(|| format!("not a count: {value}"))
    }
}

/// The results of an instant query.
pub(crate) fn results(answer: &Value) -> Result<&Vec<Value>> {
    answer["data"]["result"].as_array().with_context(|| format!("no result: {answer}"))
}
