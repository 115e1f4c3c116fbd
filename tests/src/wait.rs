//! Waiting for a condition, never for a time.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};

/// How long a wait lasts before it fails, where the caller has no reason for another limit. Generous: all tests of the
/// workspace may share two cores.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How often a condition that cannot notify is looked at.
pub const INTERVAL: Duration = Duration::from_millis(10);

/// Tries `attempt` until it succeeds, and returns what it returned.
///
/// An attempt that hangs is cut at the deadline as well.
///
/// # Errors
/// The error of the last attempt, with the time that was spent.
///
/// ```
/// # use scopegate_tests::wait::{DEADLINE, eventually};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// let mut looks = 0;
/// eventually(DEADLINE, || {
///     looks += 1;
///     let seen = looks;
///     async move {
///         anyhow::ensure!(seen >= 3, "seen {seen} of 3");
///         Ok(())
///     }
/// })
/// .await?;
/// # Ok(()) }
/// ```
pub async fn eventually<T, A, F>(deadline: Duration, mut attempt: A) -> Result<T>
where
    A: FnMut() -> F,
    F: Future<Output = Result<T>>,
{
    let started = Instant::now();
    let mut last = anyhow!("the first attempt did not end");
    loop {
        let left = deadline.saturating_sub(started.elapsed());
        match tokio::time::timeout(left, attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => last = error,
            Err(_) => {}
        }
        if started.elapsed() + INTERVAL >= deadline {
            return Err(last.context(format!("not so within {deadline:?}")));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use anyhow::bail;

    use super::*;

    #[tokio::test]
    async fn a_failure_tells_the_last_reason_and_the_time() {
        let short = Duration::from_millis(30);
        let error = eventually::<(), _, _>(short, || async { bail!("two of three") }).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "not so within 30ms: two of three");
    }

    #[tokio::test]
    async fn an_attempt_that_hangs_is_cut() {
        let error = eventually::<(), _, _>(Duration::from_millis(30), pending).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "not so within 30ms: the first attempt did not end");
    }
}
