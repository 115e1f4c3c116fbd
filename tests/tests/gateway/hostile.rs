//! Damaged and random bodies: whatever comes, Envoy serves on, and nothing goes where it must not.

use anyhow::Result;
use prost::Message as _;
use scopegate_tests::remote_write::{WriteRequest, compress, push};

use crate::gateway::{Gateway, as_agent, by_namespace};

/// A small generator of numbers, seeded: the same requests every time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default()
    }
}

#[tokio::test]
async fn damaged_bodies() -> Result<()> {
    let gateway = Gateway::start(&by_namespace()).await?;
    let client = gateway.http2()?;
    let mut connection = client.connect().await?;
    let request = WriteRequest::realistic(20).with_label("zz_as", |n| format!("cluster-{}", n % 3));
    let message = request.encode_to_vec();
    let mut numbers = Numbers(7);
    for round in 0..500 {
        let mut damaged = message.clone();
        for _ in 0..=numbers.next() % 3 {
            let at = numbers.next() % damaged.len();
            damaged[at] = u8::try_from(numbers.next() % 256).unwrap_or_default();
        }
        if round % 5 == 0 {
            damaged.truncate(numbers.next() % damaged.len());
        }
        let body = if round % 7 == 0 { damaged } else { compress(&damaged) };
        let answer = connection.send(as_agent(push(body))).await?;
        assert!(matches!(answer.status, 200 | 400 | 413), "{answer}");
    }
    for received in &gateway.cortex.state().requests {
        let tenant = received.tenant.as_deref().unwrap_or_default();
        let own = tenant == "central" || tenant.starts_with("cluster-") || tenant.starts_with("namespace-");
        assert!(own, "{received}");
        // The label that decided is gone: nothing that Cortex can read of it is left.
        assert!(received.series().iter().all(|series| series.label("zz_as").is_none()), "{received}");
    }
    assert_eq!(gateway.envoy.admin()?.stat("wasm.scopegate.vm_reload").await?.unwrap_or(0), 0);
    client.send(as_agent(request.push())).await?.expect(200)?;
    Ok(())
}
