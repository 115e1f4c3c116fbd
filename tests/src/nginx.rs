//! A real nginx as what stands behind the gateway, or as a TLS client of it. It writes a line for each request that it got,
//! and leads on to a stand-in that keeps the bytes.

use std::{net::SocketAddr, path::PathBuf, process::Command};

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{
    process::Process,
    wait::{DEADLINE, eventually},
};

/// The binary: `NGINX_BIN`, else `nginx` on the path, if there is one.
pub fn binary() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("NGINX_BIN") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join("nginx")).find(|file| file.is_file())
}

/// A running nginx of one process, killed on drop.
#[derive(Debug)]
pub struct Nginx {
    // Goes first, before the directory with its logs.
    process: Process,
    dir: TempDir,
}

/// What an nginx is told besides its servers: no root, one process, everything in its own folder.
const HEAD: &str = r#"
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 512; }
http {
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_max_body_size 32m;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header X-Through $server_addr;
  log_format seen escape=json '{"address":"$server_addr","method":"$request_method","target":"$request_uri",'
    '"host":"$http_host","sni":"$ssl_server_name","tenant":"$http_x_scope_orgid",'
    '"authorization":"$http_authorization","status":$status}';
  access_log seen.log seen;
"#;

impl Nginx {
    /// Starts with these `server { … }` blocks, and waits until it listens at these addresses. A port that is
    /// [reserved](crate::ports::Reservation) is listened on with `reuseport`.
    pub async fn start(servers: &str, addresses: &[SocketAddr]) -> Result<Self> {
        let binary = binary().context("there is no nginx here: `cargo xtask setup` brings it")?;
        let dir = tempfile::Builder::new().prefix("scopegate-nginx-").tempdir()?;
        std::fs::write(dir.path().join("nginx.conf"), format!("{HEAD}{servers}\n}}\n"))?;
        let mut command = Command::new(binary);
        command.arg("-p").arg(dir.path()).args(["-c", "nginx.conf", "-e", "stderr"]).current_dir(dir.path());
        let process = Process::start("nginx", command, dir.path())?;
        let mut nginx = Self { process, dir };
        for address in addresses {
            let listening = || async { Ok(TcpStream::connect(address).await.map(drop)?) };
            if let Err(error) = eventually(DEADLINE, listening).await {
                let ended = nginx.process.ended()?;
                return Err(error.context(format!("nginx {ended:?}: {}", nginx.process.log())));
            }
        }
        Ok(nginx)
    }

    /// The requests it got so far, in the order in which they ended, without those that ask whether it is well.
    pub fn seen(&self) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(self.dir.path().join("seen.log"))?;
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        lines.map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
    }
}

/// A `server` block at this address that says at `/ready` that it is well, and leads everything else on to `upstream`.
pub fn server(address: SocketAddr, upstream: SocketAddr) -> String {
    with(address, "", &format!("proxy_pass http://{upstream};"))
}

/// The same for TLS by these files, `ssl` being what else is to be said about it.
pub fn with(address: SocketAddr, ssl: &str, location: &str) -> String {
    let tls = if ssl.is_empty() { "" } else { " ssl" };
    format!(
        "server {{
           listen {address}{tls} reuseport;
           {ssl}
           location = /ready {{ access_log off; return 200 ready; }}
           location / {{ {location} }}
         }}"
    )
}
