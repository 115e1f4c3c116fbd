//! Bytes on a TCP connection, for requests that no library would send: absolute targets, lowercase methods, two lengths,
//! half a head.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::wait::DEADLINE;

/// A plain connection. Dropping it closes it.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// An HTTP/1 answer as it stood on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// Its status code.
    pub status: u16,
    /// Its headers in order, names as they were written.
    pub headers: Vec<(String, String)>,
    /// Its body, chunks joined.
    pub body: Vec<u8>,
}

impl RawAnswer {
    /// The first value of a header, its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Sends `request` on a connection of its own and reads one answer.
pub async fn exchange(address: SocketAddr, request: impl AsRef<[u8]>) -> Result<RawAnswer> {
    let mut raw = Raw::connect(address).await?;
    raw.write(request).await?;
    raw.answer().await
}

impl Raw {
    /// Connects to `address`.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        Ok(Self { stream: TcpStream::connect(address).await?, unread: Vec::new() })
    }

    /// Writes `bytes` as they are.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        Ok(self.stream.write_all(bytes.as_ref()).await?)
    }

    /// Says that nothing more will be written, and stays to read.
    pub async fn end(&mut self) -> Result<()> {
        Ok(self.stream.shutdown().await?)
    }

    /// Closes the connection with a reset.
    pub fn reset(self) -> Result<()> {
        Ok(self.stream.set_zero_linger()?)
    }

    /// Reads one answer to a request other than HEAD; further ones of the same connection follow by calling again.
    pub async fn answer(&mut self) -> Result<RawAnswer> {
        timeout(DEADLINE, self.read_answer()).await.context("no answer in time")?
    }

    /// Reads until the other side closes.
    pub async fn rest(&mut self) -> Result<Vec<u8>> {
        timeout(DEADLINE, async {
            while self.more().await? {}
            anyhow::Ok(())
        })
        .await
        .context("not closed in time")??;
        Ok(std::mem::take(&mut self.unread))
    }

    /// Reads until these bytes have come, and gives all up to their end.
    pub async fn read_until(&mut self, end: &[u8]) -> Result<Vec<u8>> {
        timeout(DEADLINE, self.until(end)).await.context("not so in time")?
    }

    async fn read_answer(&mut self) -> Result<RawAnswer> {
        let head = self.until(b"\r\n\r\n").await.context("no head of an answer")?;
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.trim_end().split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.with_context(|| format!("no status in {status_line:?}"))?;
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        let mut answer = RawAnswer { status, headers, body: Vec::new() };
        if let Some(length) = answer.header("content-length") {
            answer.body = self.exactly(length.parse()?).await?;
        } else if answer
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            answer.body = self.chunks().await?;
        } else if status != 204 && status != 304 && status >= 200 {
            while self.more().await? {}
            answer.body = std::mem::take(&mut self.unread);
        }
        Ok(answer)
    }

    async fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.until(b"\r\n").await?;
            let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16)?;
            body.extend(self.exactly(size).await?);
            if size > 0 {
                self.until(b"\r\n").await?;
            } else {
                // Trailers are not kept.
                while self.until(b"\r\n").await? != b"\r\n" {}
                return Ok(body);
            }
        }
    }

    async fn until(&mut self, end: &[u8]) -> Result<Vec<u8>> {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                return Ok(self.unread.drain(..at + end.len()).collect());
            }
            ensure!(self.more().await?, "closed after {:?}", String::from_utf8_lossy(&self.unread));
        }
    }

    async fn exactly(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.unread.len() < length {
            ensure!(self.more().await?, "closed after {} of {length} bytes", self.unread.len());
        }
        Ok(self.unread.drain(..length).collect())
    }

    async fn more(&mut self) -> Result<bool> {
        Ok(self.stream.read_buf(&mut self.unread).await? > 0)
    }
}
