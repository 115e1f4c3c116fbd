//! What a tenant sends grows by its label, whatever room Envoy has for it.

use anyhow::Result;
use scopegate_tests::bootstrap::Cluster;
use scopegate_tests::client::Call;

use crate::canned::{Backend, Canned};
use crate::gateway::{Gateway, by, configuration};

/// A paused body that outgrew Envoy's buffer inside of a callback would end Envoy.
#[tokio::test]
async fn beyond_the_buffer() -> Result<()> {
    const LIMIT: usize = 64 << 10;
    let backend = Backend::start()?;
    backend.answer(Canned { status: 200, ..Canned::default() });
    let cluster = Cluster::http1("backend", backend.address);
    let gateway = Gateway::with(&configuration("alertmanager"), cluster, |listener| {
        listener.buffer_limit(u32::try_from(LIMIT).unwrap())
    })
    .await?;
    let client = gateway.http1()?;
    for size in [LIMIT - 100, LIMIT - 10, LIMIT - 1, LIMIT, LIMIT + 1] {
        for pieces in [1, 2, 10] {
            let (start, end) = (r#"[{"labels":{"alertname":""#, r#""}}]"#);
            let body = format!("{start}{}{end}", "x".repeat(size - start.len() - end.len()));
            let chunks: Vec<_> = body.as_bytes().chunks(size.div_ceil(pieces)).map(<[u8]>::to_vec).collect();
            let call =
                Call::post("/api/v2/alerts", "").chunks(chunks).header("content-type", "application/json");
            let answer = client.send(by("alice", call)).await?;
            assert!([200, 413].contains(&answer.status), "{size} in {pieces}: {answer}");
            println!("{size} in {pieces}: {}", answer.status);
        }
    }
    Ok(())
}
