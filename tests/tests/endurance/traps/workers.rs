//! Two workers: a trap is the business of one of them.

use anyhow::{Context, Result};
use scopegate_tests::{
    client::{Connection, Protocol},
    cortex::{EVERYBODY, Fault, Gate},
    wait::{DEADLINE, eventually},
};
use tokio::time::timeout;

use super::{Shipped, TENANTS, assert_failed, batch, push};
use crate::batch::assert_all_received;

impl Shipped {
    /// A connection to each of two workers.
    pub(super) async fn connections(&self) -> Result<[Connection; 2]> {
        let mut found = [None, None];
        while let [None, _] | [_, None] = found {
            let before = self.accepted().await?;
            let connection = self.client(Protocol::Http2)?.connect().await?;
            let after = eventually(DEADLINE, || async {
                let after = self.accepted().await?;
                anyhow::ensure!(after != before, "nobody has accepted");
                Ok(after)
            })
            .await?;
            found[usize::from(after[1] > before[1])].get_or_insert(connection);
        }
        let [first, second] = found;
        Ok([first.context("no first worker")?, second.context("no second worker")?])
    }

    /// How many connections each worker has accepted.
    async fn accepted(&self) -> Result<[u64; 2]> {
        let stats = self.admin()?.stats(r"worker_\d\.downstream_cx_total$").await?;
        let of = |worker| {
            let stat =
                stats.iter().find(|(name, _)| name.starts_with("listener.127") && name.contains(worker));
            stat.map_or(0, |(_, accepted)| *accepted)
        };
        Ok([of("worker_0"), of("worker_1")])
    }
}

#[tokio::test]
async fn the_other_worker_serves_on() -> Result<()> {
    let shipped = Shipped::start("FAIL_RELOAD", 2).await?;
    let [mut failing, mut other] = shipped.connections().await?;
    let gate = Gate::new();
    shipped.cortex.fault(EVERYBODY, Fault::hold(&gate));
    let (lost, kept) = (batch(&TENANTS), batch(&TENANTS));
    let mut losing = failing.open(push(&lost)).await?;
    losing.end();
    let mut keeping = other.open(push(&kept)).await?;
    keeping.end();
    shipped.cortex.wait_for("the parts of both", |state| state.requests.len() == 4).await?;
    shipped.cortex.heal(EVERYBODY);

    let victim = push(&batch(&TENANTS)).header("x-scopegate-fault", "body");
    assert_failed("the one that trapped", &failing.send(victim).await?);
    // The failed worker refuses, or has recovered; the other goes on as if nothing was.
    let mut arrived = vec![lost, kept];
    for _ in 0..10 {
        let (on_failing, on_other) = (batch(&TENANTS), batch(&TENANTS));
        let answer = failing.send(push(&on_failing)).await?;
        if answer.status == 200 {
            arrived.push(on_failing);
        } else {
            assert_failed("the worker that trapped", &answer);
        }
        other.send(push(&on_other)).await?.expect(200)?;
        arrived.push(on_other);
    }
    gate.open();
    keeping.answer().await?.expect(200)?;
    assert_failed("a split of the worker that trapped", &losing.answer().await?);
    // By now its VM is a new one, and so is the other's after its own trap.
    let victim = push(&batch(&TENANTS)).header("x-scopegate-fault", "headers");
    assert_failed("the other one that trapped", &other.send(victim).await?);
    for mut connection in [failing, other] {
        let recovered = async {
            loop {
                let batch = batch(&TENANTS);
                let answer = connection.send(push(&batch)).await?;
                if answer.status == 200 {
                    return anyhow::Ok(batch);
                }
                assert_failed("until there is a new VM", &answer);
            }
        };
        arrived.push(timeout(DEADLINE, recovered).await.context("no new VM")??);
    }
    shipped.wait_for_rest().await?;
    shipped.assert_tenants(&TENANTS);
    assert_all_received("over two workers", &shipped.cortex.state(), &arrived.iter().collect::<Vec<_>>());
    Ok(())
}
