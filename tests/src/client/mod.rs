//! A client with full control: both protocols in clear text, repeated headers and odd bytes, chunks, trailers, and
//! giving up half way. What no well-behaved library can send goes through [`raw`].

pub mod raw;

use std::{net::SocketAddr, pin::Pin, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{
    BodyExt, Full,
    channel::{self, Channel},
    combinators::BoxBody,
};
use hyper::{
    HeaderMap, Method, Request, Response, Uri,
    body::{Frame, Incoming},
    client::conn::{http1, http2},
    header::{HeaderName, HeaderValue},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

use crate::wait::DEADLINE;

/// What is spoken on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge, without TLS.
    Http2,
}

/// Sends each request on a connection of its own. [`connect`](Self::connect) gives one to use repeatedly.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    address: SocketAddr,
    protocol: Protocol,
    deadline: Duration,
}

impl Client {
    /// Speaks HTTP/1.1 to `address`.
    pub fn http1(address: SocketAddr) -> Self {
        Self { address, protocol: Protocol::Http1, deadline: DEADLINE }
    }

    /// Speaks HTTP/2 to `address`.
    pub fn http2(address: SocketAddr) -> Self {
        Self { address, protocol: Protocol::Http2, deadline: DEADLINE }
    }

    /// Where it speaks to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets how long to wait for a whole answer; [`DEADLINE`] unless said otherwise.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Opens a connection.
    pub async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(self.address)
            .await
            .with_context(|| format!("cannot connect to {}", self.address))?;
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        // How the connection ends shows in what was sent on it.
        let (sender, driver) = match self.protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await?;
                (Sender::Http1(sender), tokio::spawn(async { drop(connection.await) }))
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                (Sender::Http2(sender), tokio::spawn(async { drop(connection.await) }))
            }
        };
        Ok(Connection { client: *self, sender, _driver: Task(driver) })
    }

    /// Sends `call` and waits for the whole answer, whatever its status.
    pub async fn send(&self, call: Call) -> Result<Answer> {
        self.connect().await?.send(call).await
    }

    /// Sends a GET of `target`.
    pub async fn get(&self, target: &str) -> Result<Answer> {
        self.send(Call::get(target)).await
    }

    /// Sends the head of `call` and leaves the body, of which what `call` has goes first, to be written in pieces.
    pub async fn open(&self, call: Call) -> Result<Exchange> {
        let mut connection = self.connect().await?;
        let mut exchange = connection.open(call).await?;
        exchange.connection = Some(connection);
        Ok(exchange)
    }
}

/// An open connection. Dropping it closes it at once, whatever is under way.
#[derive(Debug)]
pub struct Connection {
    client: Client,
    sender: Sender,
    _driver: Task<()>,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

type Body = BoxBody<Bytes, Stopped>;
type BodySender = channel::Sender<Bytes, Stopped>;
type Pending = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

/// Why a body ended early: its [`Exchange`] was given up.
#[derive(Debug)]
struct Stopped;

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the request was given up")
    }
}

impl std::error::Error for Stopped {}

impl Connection {
    /// Sends `call` and waits for the whole answer.
    pub async fn send(&mut self, call: Call) -> Result<Answer> {
        if call.chunked {
            let mut exchange = self.start(&call).await?;
            for frame in call.frames()? {
                // The answer may come before the end of the body, and then nobody reads on.
                if exchange.frame(frame).await.is_err() {
                    break;
                }
            }
            return exchange.finish().await;
        }
        let whole = Full::new(call.body.first().cloned().unwrap_or_default());
        let body = whole.map_err(|never| match never {}).boxed();
        self.exchange(&call, body, None).await?.answer().await
    }

    /// Like [`Client::open`], on this connection.
    pub async fn open(&mut self, call: Call) -> Result<Exchange> {
        let mut exchange = self.start(&call).await?;
        for frame in call.frames()? {
            exchange.frame(frame).await?;
        }
        Ok(exchange)
    }

    async fn start(&mut self, call: &Call) -> Result<Exchange> {
        let (sender, body) = Channel::new(1);
        self.exchange(call, body.boxed(), Some(sender)).await
    }

    async fn exchange(&mut self, call: &Call, body: Body, sender: Option<BodySender>) -> Result<Exchange> {
        let request = call.head(self.client)?.map(|()| body);
        let pending: Pending = match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                Box::pin(sender.send_request(request))
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                Box::pin(sender.send_request(request))
            }
        };
        let answer = Task(tokio::spawn(async { Answer::read(pending.await?).await }));
        Ok(Exchange {
            what: call.to_string(),
            body: sender,
            answer,
            deadline: self.client.deadline,
            connection: None,
        })
    }
}

/// A request whose body is still being written. Dropping it gives it up, in the middle of the body or while waiting for
/// the answer: an HTTP/1 connection closes, an HTTP/2 stream is reset.
#[derive(Debug)]
pub struct Exchange {
    what: String,
    body: Option<BodySender>,
    answer: Task<Result<Answer>>,
    deadline: Duration,
    // Where nobody else holds it.
    connection: Option<Connection>,
}

impl Exchange {
    /// Writes a piece of the body. It may not be on its way yet when this returns; whoever wants to give up at a certain
    /// point waits until the other side has got there.
    pub async fn write(&mut self, data: impl Into<Bytes>) -> Result<()> {
        self.frame(Frame::data(data.into())).await
    }

    /// Ends the body.
    pub fn end(&mut self) {
        self.body = None;
    }

    /// Ends the body with `trailers`, which HTTP/1 needs announced in a header `trailer`.
    pub async fn end_with(&mut self, trailers: &[(&str, &str)]) -> Result<()> {
        self.frame(Frame::trailers(header_map(trailers)?)).await?;
        self.end();
        Ok(())
    }

    /// Waits for the whole answer, which may come before the end of the body.
    pub async fn answer(&mut self) -> Result<Answer> {
        match timeout(self.deadline, &mut self.answer.0).await {
            Ok(answer) => answer?.with_context(|| format!("{} failed", self.what)),
            Err(_) => bail!("{}: no answer within {:?}", self.what, self.deadline),
        }
    }

    /// Ends the body and waits for the whole answer.
    pub async fn finish(mut self) -> Result<Answer> {
        self.end();
        self.answer().await
    }

    /// Gives up, as dropping does.
    pub fn abort(self) {}

    async fn frame(&mut self, frame: Frame<Bytes>) -> Result<()> {
        let body = self.body.as_mut().context("the body has ended")?;
        match timeout(self.deadline, body.send(frame)).await {
            Ok(sent) => sent.with_context(|| format!("{}: nobody reads the body", self.what)),
            Err(_) => bail!("{}: the body was not read on for {:?}", self.what, self.deadline),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // A sender that is merely dropped would end the body as if it were whole.
        if let Some(body) = self.body.take() {
            body.abort(Stopped);
        }
    }
}

/// A task that ends with its owner.
#[derive(Debug)]
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A request to send. The headers are what is sent, and all that is sent, but for `content-length` or
/// `transfer-encoding`, which follow from the body, and `host` where none is given.
#[derive(Debug, Clone)]
#[must_use]
pub struct Call {
    method: Method,
    target: String,
    authority: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<Bytes>,
    chunked: bool,
    trailers: Vec<(String, String)>,
}

impl Call {
    /// A request of `method` (any token) for `target` (path and query).
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: Method::from_bytes(method.as_bytes()).unwrap_or_default(),
            target: target.to_owned(),
            authority: "gateway.test".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            chunked: false,
            trailers: Vec::new(),
        }
    }

    /// A GET of `target`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A GET of `path` with these fields as its query.
    pub fn query(path: &str, fields: &[(&str, &str)]) -> Self {
        Self::get(&format!("{path}?{}", urlencoded(fields)))
    }

    /// A POST of `body` to `target`.
    pub fn post(target: &str, body: impl Into<Bytes>) -> Self {
        Self::new("POST", target).body(body)
    }

    /// A POST of `fields` to `target`, in the way of an HTML form.
    pub fn form(target: &str, fields: &[(&str, &str)]) -> Self {
        Self::post(target, urlencoded(fields)).header("content-type", "application/x-www-form-urlencoded")
    }

    /// Adds a header, after those of the same name. The value may hold any byte but control characters.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Adds `Authorization: Bearer <token>`.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Adds `X-Scope-OrgID`.
    pub fn tenant(self, tenant: &str) -> Self {
        self.header("x-scope-orgid", tenant)
    }

    /// Sends it to another path and query.
    pub fn at(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// Sets `Host` or `:authority`.
    pub fn authority(mut self, authority: &str) -> Self {
        authority.clone_into(&mut self.authority);
        self
    }

    /// Sets the whole body, sent with its length.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = vec![body.into()];
        self.chunked = false;
        self
    }

    /// Sets the body, sent in these pieces without a length.
    pub fn chunks<B: Into<Bytes>>(mut self, chunks: impl IntoIterator<Item = B>) -> Self {
        self.body = chunks.into_iter().map(Into::into).collect();
        self.chunked = true;
        self
    }

    /// Adds a trailer after the body, which is then sent without a length.
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self.chunked = true;
        self
    }

    /// Its method.
    pub fn method(&self) -> &str {
        self.method.as_str()
    }

    /// Its path and query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The same to another path and query.
    pub fn retarget(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// Its body, pieces joined.
    pub fn whole_body(&self) -> Vec<u8> {
        self.body.concat()
    }

    fn head(&self, client: Client) -> Result<Request<()>> {
        let target = match client.protocol {
            Protocol::Http1 => self.target.clone(),
            Protocol::Http2 => format!("http://{}{}", self.authority, self.target),
        };
        let uri: Uri =
            target.parse().with_context(|| format!("{target:?} is no target; client::raw sends anything"))?;
        let mut request = Request::builder().method(self.method.clone()).uri(uri).body(())?;
        let headers = request.headers_mut();
        for (name, value) in &self.headers {
            headers.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_bytes(value)?);
        }
        if client.protocol == Protocol::Http1 {
            if !headers.contains_key("host") {
                headers.insert("host", HeaderValue::from_str(&self.authority)?);
            }
            // Trailers are announced in HTTP/1, or the library keeps them back.
            if !self.trailers.is_empty() && !headers.contains_key("trailer") {
                let names: Vec<_> = self.trailers.iter().map(|(name, _)| name.as_str()).collect();
                headers.insert("trailer", HeaderValue::from_str(&names.join(", "))?);
            }
        }
        Ok(request)
    }

    fn frames(&self) -> Result<Vec<Frame<Bytes>>> {
        let mut frames: Vec<_> = self.body.iter().cloned().map(Frame::data).collect();
        if !self.trailers.is_empty() {
            let trailers: Vec<_> =
                self.trailers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            frames.push(Frame::trailers(header_map(&trailers)?));
        }
        Ok(frames)
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.target)
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status code.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// What came after the body.
    pub trailers: HeaderMap,
}

impl Answer {
    async fn read(response: Response<Incoming>) -> Result<Self> {
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        let whole = body.collect().await.with_context(|| format!("the body broke off after a {status}"))?;
        let trailers = whole.trailers().cloned().unwrap_or_default();
        Ok(Self { status, headers: head.headers, body: whole.to_bytes(), trailers })
    }

    /// The first value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON in {self}"))
    }

    /// Fails, with what was answered, unless the status is `status`.
    pub fn expect(self, status: u16) -> Result<Self> {
        ensure!(self.status == status, "expected {status}, got {self}");
        Ok(self)
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 1000;
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(SHOWN)]);
        write!(f, "{}: {text}", self.status)?;
        if self.body.len() > SHOWN {
            write!(f, "… ({} bytes)", self.body.len())?;
        }
        Ok(())
    }
}

fn urlencoded(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn header_map(pairs: &[(&str, &str)]) -> Result<HeaderMap> {
    pairs
        .iter()
        .map(|(name, value)| Ok((HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?)))
        .collect()
}
