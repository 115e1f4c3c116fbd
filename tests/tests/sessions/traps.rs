//! What was used before a trap of the filter's VM is used after it: the new VM knows what its predecessor took.

use anyhow::{Result, ensure};
use scopegate_core::session::HEADER;
use scopegate_tests::bootstrap::faults_module;
use scopegate_tests::wait::{DEADLINE, eventually};

use crate::gateway::{Gateway, agent, refused, write};

#[tokio::test]
async fn a_proof_is_good_once_over_a_trap() -> Result<()> {
    let module = faults_module();
    ensure!(module.is_file(), "no module with faults at {}", module.display());
    // One worker, so that it is this VM that traps.
    let gateway = Gateway::with(1, &module).await?;
    let client = gateway.http1("both")?;
    let push = || write("up").push();
    let proof = || agent().proof("POST", "/api/v1/push", &push().whole_body());
    let used = proof();
    client.send(push().header(HEADER, &used)).await?.expect(200)?;
    // One that proves nothing traps at its head, and then one whose own proof is taken by then.
    let taken = proof();
    let traps = [
        push().header("x-scopegate-fault", "headers"),
        push().header("x-scopegate-fault", "body").header(HEADER, &taken),
    ];
    for (number, call) in traps.into_iter().enumerate() {
        let answer = client.send(call).await?;
        ensure!((500..600).contains(&answer.status), "it has not trapped: {answer}");
        eventually(DEADLINE, || async {
            let count = gateway.envoy.process()?.log().matches("Uncaught RuntimeError: unreachable").count();
            ensure!(count > number, "{count} traps");
            // The new VM serves.
            client.send(push().header(HEADER, proof())).await?.expect(200).map(drop)
        })
        .await?;
    }
    gateway.cortex.forget();
    for (what, proof) in [("used before", used), ("taken by the one that trapped", taken)] {
        refused(what, &client.send(push().header(HEADER, proof)).await?, 401, "was used before")?;
    }
    gateway.nothing_arrived("the same proofs again");
    Ok(())
}
