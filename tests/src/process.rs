//! A program under test: started from a thread that outlives every test, its output in files, killed on drop, its costs
//! read from `/proc`.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{LazyLock, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::wait::eventually;

type Order = (Command, mpsc::Sender<io::Result<Child>>);

/// The Envoy of the Python package index asks the kernel to kill it when the *thread* that started it ends, and a test's thread ends with
/// the test. This one ends with the process, which also means that no Envoy outlives a test run that was interrupted.
static STARTER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
    let (orders, received) = mpsc::channel::<Order>();
    thread::spawn(move || {
        for (mut command, answer) in received {
            // Whoever no longer waits for the child has dropped the other end; the child is then of no use.
            if let Err(mpsc::SendError(Ok(mut child))) = answer.send(command.spawn()) {
                let _ = child.kill();
            }
        }
    });
    orders
});

/// A running program. Dropping it kills it; in a test the end of its log goes to the test's output, which is shown when
/// the test fails.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    output: PathBuf,
}

impl Process {
    /// Starts `command` with its standard error in `<dir>/<name>.log` and its standard output in `<dir>/<name>.out`.
    /// Files of an earlier start under the same name are replaced.
    pub fn start(name: &str, mut command: Command, dir: &Path) -> Result<Self> {
        let (log, output) = (dir.join(format!("{name}.log")), dir.join(format!("{name}.out")));
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(File::create(&output)?).stderr(File::create(&log)?);
        let (answer, started) = mpsc::channel();
        STARTER.send((command, answer)).map_err(|_| anyhow!("the starting thread is gone"))?;
        let child = started.recv()?.with_context(|| format!("cannot run {program}"))?;
        Ok(Self { name: name.to_owned(), child, log, output })
    }

    /// Its process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether and how it ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Kills it and waits for its end, after which its sockets are closed.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it wrote to standard error since its start.
    pub fn log(&self) -> String {
        read(&self.log)
    }

    /// What it wrote to standard output since its start.
    pub fn output(&self) -> String {
        read(&self.output)
    }

    /// Waits until a line of [`log`](Self::log) contains `text`, and returns the line.
    pub async fn wait_for_log(&self, text: &str, deadline: Duration) -> Result<String> {
        self.wait_for_line(&self.log, text, deadline).await
    }

    /// Waits until a line of [`output`](Self::output) contains `text`, and returns the line.
    pub async fn wait_for_output(&self, text: &str, deadline: Duration) -> Result<String> {
        self.wait_for_line(&self.output, text, deadline).await
    }

    async fn wait_for_line(&self, file: &Path, text: &str, deadline: Duration) -> Result<String> {
        eventually(deadline, || async {
            let all = read(file);
            match all.lines().find(|line| line.contains(text)) {
                Some(line) => Ok(line.to_owned()),
                None => bail!("no line with {text:?} from {}, which ends:\n{}", self.name, tail(&all)),
            }
        })
        .await
    }

    /// CPU time spent so far in user and kernel mode, by all threads. The kernel counts in steps of 10 ms.
    pub fn cpu_time(&self) -> Result<Duration> {
        let stat = self.proc("stat")?;
        // The name in parentheses may contain anything; what follows it is numbers from field 3 on.
        let (_, numbers) = stat.rsplit_once(')').context("no name in stat")?;
        let ticks: Vec<u64> =
            numbers.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        ensure!(ticks.len() == 2, "stat is too short");
        // USER_HZ is 100 on every architecture Envoy is built for.
        Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 10))
    }

    /// Memory it holds now (resident), in bytes.
    pub fn memory(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most memory it held (resident) since its start or since [`reset_peak_memory`](Self::reset_peak_memory), in
    /// bytes.
    pub fn peak_memory(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// Lets the peak start again from what it holds now.
    pub fn reset_peak_memory(&self) -> Result<()> {
        fs::write(format!("/proc/{}/clear_refs", self.id()), "5").context("cannot reset the peak of memory")
    }

    fn status(&self, key: &str) -> Result<u64> {
        let status = self.proc("status")?;
        let line =
            status.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("no {key}"))?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    fn proc(&self, file: &str) -> Result<String> {
        Ok(fs::read_to_string(format!("/proc/{}/{file}", self.id()))?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // Tests run in threads that bear their names, and what they print is kept back unless they fail.
        if thread::panicking() || thread::current().name() != Some("main") {
            eprintln!("--- the end of {}'s log:\n{}", self.name, tail(&self.log()));
        }
    }
}

/// The last lines of a log.
pub(crate) fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

fn read(file: &Path) -> String {
    fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::DEADLINE;

    fn shell(script: &str, dir: &Path) -> Result<Process> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start("sh", command, dir)
    }

    #[tokio::test]
    async fn lines_are_found_and_costs_are_read() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let process = shell(
            "echo here; echo there >&2; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; cat /dev/zero > /dev/null",
            dir.path(),
        )?;
        assert_eq!(process.wait_for_output("her", DEADLINE).await?, "here");
        assert_eq!(process.wait_for_log("ther", DEADLINE).await?, "there");
        eventually(DEADLINE, || async {
            ensure!(process.cpu_time()? > Duration::ZERO, "no CPU time");
            Ok(())
        })
        .await?;
        process.reset_peak_memory()?;
        assert!(process.peak_memory()? >= process.memory()? / 2);
        Ok(())
    }

    #[tokio::test]
    async fn dropping_kills() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let process = shell("echo up; exec sleep 1000", dir.path())?;
        process.wait_for_output("up", DEADLINE).await?;
        let proc = format!("/proc/{}", process.id());
        drop(process);
        assert!(!Path::new(&proc).exists());
        Ok(())
    }
}
