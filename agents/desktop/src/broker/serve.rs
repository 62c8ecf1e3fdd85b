//! One connection from the desktop: requests are judged one by one, tunnels once.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::net::is_own;
use super::page::page;
use super::relay::{AbortOnDrop, Activity, Body, Line, Noted};
use super::rules::{HostRule, host_name};
use super::{NetworkLog, Shared, Upstream, is_public};

/// A tunnel that was let through, to be joined once the head of the answer is out.
type Tunnel = Arc<Mutex<Option<(OnUpgrade, Line)>>>;

pub(super) async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(shared.limits.connections));
    // Dropped with this task, and with it every connection.
    let mut connections = JoinSet::new();
    loop {
        // Whoever is one too many waits in the kernel's queue.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = shared.clone();
                connections.spawn(async move {
                    connection(stream, shared).await;
                    drop(place);
                });
            }
            // Out of files: let some connection end first.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

async fn connection(stream: UnixStream, shared: Arc<Shared>) {
    let activity = Activity::new();
    let limits = shared.limits.clone();
    let stream = Noted { stream, activity: activity.clone() };
    tokio::select! {
        () = talk(stream, shared) => {}
        () = activity.silence(limits.idle) => {}
        () = tokio::time::sleep(limits.total) => {}
    }
}

async fn talk(stream: Noted<UnixStream>, shared: Arc<Shared>) {
    let limits = shared.limits.clone();
    let tunnel = Tunnel::default();
    let slot = tunnel.clone();
    let service = hyper::service::service_fn(move |request| {
        let (shared, slot) = (shared.clone(), slot.clone());
        async move { Ok::<_, Infallible>(answer(request, &shared, &slot).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_deadline)
        .max_buf_size(limits.head.max(8192))
        .max_headers(limits.headers)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    let tunnel = tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let (Ok(()), Some((upgrade, mut line))) = (served, tunnel)
        && let Ok(upgraded) = upgrade.await
    {
        // How a tunnel ends concerns its two ends only.
        drop(tokio::io::copy_bidirectional(&mut TokioIo::new(upgraded), &mut line).await);
    }
}

/// Where a request wants to go.
struct Goal {
    host: String,
    port: u16,
    path: String,
}

async fn answer(mut request: Request<Incoming>, shared: &Shared, tunnel: &Tunnel) -> Response<Body> {
    let method = request.method().clone();
    let goal = match goal(&request) {
        Ok(goal) => goal,
        Err(why) => {
            let host = request.uri().host().unwrap_or("").chars().take(253).collect();
            shared.note(&method, host, request.uri().port_u16().unwrap_or(0), false, why);
            return page(StatusCode::BAD_REQUEST, "This request cannot be passed on", why);
        }
    };
    let line = match shared.reach(&goal, &method).await {
        Ok((line, why)) => {
            shared.note(&method, goal.host.clone(), goal.port, true, &why);
            line
        }
        Err(Refused { status, why }) => {
            let allowed = status != StatusCode::FORBIDDEN;
            shared.note(&method, goal.host.clone(), goal.port, allowed, &why);
            let title = if allowed { "The site does not answer" } else { "This desktop may not go there" };
            return page(status, title, &why);
        }
    };
    if method == Method::CONNECT || is_document(&request) {
        *shared.last_host.lock().unwrap_or_else(PoisonError::into_inner) = Some(goal.host.clone());
    }
    if method == Method::CONNECT {
        *tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some((hyper::upgrade::on(&mut request), line));
        return Response::new(Body::Page(Default::default()));
    }
    pass_on(request, &goal, line, shared).await
}

/// Reads where to from the request's first line, and from there only.
fn goal(request: &Request<Incoming>) -> Result<Goal, &'static str> {
    let uri = request.uri();
    let authority = uri.authority().ok_or("it does not name a host: this is a proxy")?;
    if authority.as_str().contains('@') {
        return Err("an address with a user name in it is not passed on");
    }
    let host = host_name(authority.host()).ok_or("its host is no valid name")?;
    let connect = *request.method() == Method::CONNECT;
    let port = match (authority.port_u16(), uri.scheme_str()) {
        (None, Some("http")) if authority.port().is_none() && !authority.as_str().ends_with(':') => 80,
        (Some(port @ 1..), None) if connect => port,
        (Some(port @ 1..), Some("http")) if !connect => port,
        _ => return Err("only http addresses and tunnels to a port are passed on"),
    };
    let named: Vec<_> = request.headers().get_all(HOST).iter().collect();
    if named.len() > 1 {
        return Err("it names two hosts");
    }
    if *request.method() == Method::TRACE {
        return Err("TRACE is not passed on");
    }
    Ok(Goal { host, port, path: uri.path().to_owned() })
}

struct Refused {
    status: StatusCode,
    why: String,
}

impl Shared {
    fn note(&self, method: &Method, host: String, port: u16, allowed: bool, why: &str) {
        let method = method.as_str().chars().take(32).collect();
        (self.log)(NetworkLog { method, host, port, allowed, why: why.to_owned() });
    }

    /// Judges, resolves, checks and connects, in this order, within one deadline.
    async fn reach(&self, goal: &Goal, method: &Method) -> Result<(Line, String), Refused> {
        let late = || Refused {
            status: StatusCode::GATEWAY_TIMEOUT,
            why: format!("{} gave no answer within {} seconds", goal.host, self.limits.connect_deadline.as_secs()),
        };
        tokio::time::timeout(self.limits.connect_deadline, self.connect(goal, method)).await.unwrap_or_else(|_| Err(late()))
    }

    /// What takes effect outside passes only while somebody has answered for it.
    fn answered(&self, goal: &Goal, method: &Method) -> Result<(), String> {
        let host = &goal.host;
        let mut asks = self.allow.iter().filter(|rule| rule.names(host)).flat_map(HostRule::asks).peekable();
        if *method == Method::CONNECT && asks.peek().is_some() {
            return Err(format!("what is sent to {host} needs an answer of the manager, and a tunnel hides it: use http://"));
        }
        match asks.find(|rule| rule.meets(method.as_str(), &goal.path)) {
            Some(rule) if !(self.may_pass)(host) => Err(format!("this needs an answer of the manager: {rule} on {host}")),
            _ => Ok(()),
        }
    }

    async fn connect(&self, goal: &Goal, method: &Method) -> Result<(Line, String), Refused> {
        let Goal { host, port, .. } = goal;
        let forbidden = |why: String| Refused { status: StatusCode::FORBIDDEN, why };
        let silent = |error: std::io::Error| Refused {
            status: StatusCode::BAD_GATEWAY,
            why: format!("no connection to {host} port {port}: {error}"),
        };
        let service = self.services.get(host);
        if service.is_some() && *port != 80 {
            let what = if *method == Method::CONNECT { "write http:// instead of https://" } else { "leave the port out" };
            return Err(forbidden(format!("{host} is a service of the company and speaks plain http: {what}")));
        }
        let Some(rule) = self.allow.iter().find(|rule| rule.allows(host, *port)) else {
            return Err(forbidden(format!("{host} port {port} is not on the list of hosts that this role may reach")));
        };
        self.answered(goal, method).map_err(forbidden)?;
        if let Some(upstream) = service {
            let line = match upstream {
                Upstream::Tcp(port) => self.dial.connect(([127, 0, 0, 1], *port).into()).await.map(Line::Tcp),
                Upstream::Unix(path) => UnixStream::connect(path).await.map(Line::Unix),
            };
            return Ok((line.map_err(silent)?, "a service of the company".into()));
        }
        let addresses = self.dial.resolve(host, *port).await.map_err(silent)?;
        // One address in a private network is enough to distrust the name.
        if let Some(inside) = addresses.iter().find(|address| !is_public(address.ip()) || is_own(address.ip())) {
            return Err(forbidden(format!("{host} leads to {}, which is inside of this machine's own network", inside.ip())));
        }
        let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
        for address in addresses {
            match self.dial.connect((address.ip(), *port).into()).await {
                Ok(stream) => return Ok((Line::Tcp(stream), format!("allowed by {rule}"))),
                Err(error) => last = error,
            }
        }
        Err(silent(last))
    }
}

async fn pass_on(mut request: Request<Incoming>, goal: &Goal, line: Line, shared: &Shared) -> Response<Body> {
    let failed = |error: hyper::Error| {
        page(StatusCode::BAD_GATEWAY, "The site does not answer", &format!("{} broke off: {error}", goal.host))
    };
    let handshake = hyper::client::conn::http1::Builder::new()
        .max_buf_size(shared.limits.head.max(8192))
        .max_headers(shared.limits.headers)
        .handshake(TokioIo::new(line))
        .await;
    let (mut sender, upstream) = match handshake {
        Ok(both) => both,
        Err(error) => return failed(error),
    };
    let upstream = AbortOnDrop(tokio::spawn(async move {
        // What goes wrong is seen by whoever reads the answer.
        drop(upstream.await);
    }));
    strip(request.headers_mut());
    let host = if goal.host.contains(':') { format!("[{}]", goal.host) } else { goal.host.clone() };
    let host = if goal.port == 80 { host } else { format!("{host}:{}", goal.port) };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let (Ok(uri), Ok(host)) = (path.parse::<Uri>(), HeaderValue::from_str(&host)) else {
        return page(StatusCode::BAD_REQUEST, "This request cannot be passed on", "its address is malformed");
    };
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_11;
    request.headers_mut().insert(HOST, host);
    match sender.send_request(request).await {
        Ok(response) => {
            let (mut head, body) = response.into_parts();
            strip(&mut head.headers);
            head.version = Version::HTTP_11;
            Response::from_parts(head, Body::Upstream(body, upstream))
        }
        Err(error) => failed(error),
    }
}

/// Takes off what is said between two neighbours only; hyper frames the body anew.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let fixed = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
    let proxy = ["keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate", "proxy-authentication-info"];
    for name in named.into_iter().chain(fixed).chain(proxy.map(HeaderName::from_static)) {
        headers.remove(name);
    }
}

/// A page that someone is going to look at, not its pictures and scripts.
fn is_document(request: &Request<Incoming>) -> bool {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    match header("sec-fetch-dest") {
        Some(dest) => dest == "document",
        None => {
            header(ACCEPT.as_str()).is_some_and(|accept| accept.starts_with("text/html"))
                && header("x-requested-with").is_none()
        }
    }
}
