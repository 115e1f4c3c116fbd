//! What the documentation says is so: its program signs as the filter does.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use scopegate_core::session::{BodyDigest, HEADER, KeyRing, Proof};

use crate::gateway::{Gateway, OLD, write};

const PAGE: &str = include_str!("../../../docs/sessions.md");

/// The first block of this language in the page.
fn block(language: &str) -> Result<&'static str> {
    let (_, rest) = PAGE.split_once(&format!("```{language}\n")).context("no block")?;
    Ok(rest.split_once("\n```").context("no end of the block")?.0)
}

/// Runs the page's program with this secret as `ID:SECRET`, and gives its header for a POST of `body`.
fn signed_in_python(secret: &str, path: &str, body: &[u8]) -> Result<Option<String>> {
    let program = format!(
        "{}\nimport sys\nprint(sign({:?}, \"POST\", sys.argv[1], base64.b64decode(sys.argv[2])))\n",
        block("python")?,
        secret
    );
    let body = STANDARD.encode(body);
    let Ok(output) = Command::new("python3").args(["-c", &program, path, &body]).output() else {
        return Ok(None);
    };
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(Some(String::from_utf8(output.stdout)?.trim().to_owned()))
}

/// A proof by the program in the page, at a real Envoy.
#[tokio::test]
async fn another_language() -> Result<()> {
    let gateway = Gateway::start(1).await?;
    let call = write("up").push();
    let body = call.whole_body();
    let Some(proof) = signed_in_python(OLD, "/api/v1/push", &body)? else { return Ok(()) };
    let parsed = Proof::parse(proof.as_bytes())?;
    let keys = KeyRing::parse(OLD.as_bytes()).map_err(anyhow::Error::msg)?;
    parsed.verify(keys.find(parsed.key), "POST", "/api/v1/push", scopegate_tests::identity::now(), 60)?;
    ensure!(parsed.claim.body == BodyDigest::of(&body));
    gateway.http2("both")?.send(call.header(HEADER, proof)).await?.expect(200)?;
    ensure!(gateway.cortex.state().tenants() == ["central"]);
    Ok(())
}
