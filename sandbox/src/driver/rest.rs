//! HTTP for the REST API: connections in, requests to the gateway, answers out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response as HttpResponse, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::rest::message::{Answer, Body, Request, Response};

/// Connections at the same time.
const CONNECTIONS: usize = 1024;
/// Largest body of a request, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// From the accepted connection to the end of the TLS handshake.
const TLS_WITHIN: Duration = Duration::from_secs(10);
/// From the first byte of a request to the end of its head.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// From the head of a request to the end of its body.
const BODY_WITHIN: Duration = Duration::from_secs(20);
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The way from all connections to the gateway.
pub(super) type ToGateway = mpsc::Sender<(Request, oneshot::Sender<Answer>)>;

/// Accepts for ever.
pub(super) async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, gateway: ToGateway) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the REST API");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            tracing::warn!(%remote, "refused: too many connections to the REST API");
            continue;
        };
        let _ = stream.set_nodelay(true);
        let tls = tls.clone();
        let gateway = gateway.clone();
        tokio::spawn(async move {
            match tls {
                None => serve(stream, gateway).await,
                Some(tls) => match timeout(TLS_WITHIN, tls.accept(stream)).await {
                    Ok(Ok(stream)) => serve(stream, gateway).await,
                    Ok(Err(error)) => tracing::info!(%error, "TLS to the REST API failed"),
                    Err(_) => tracing::info!("TLS to the REST API failed: no handshake in time"),
                },
            }
            drop(permit);
        });
    }
}

async fn serve<S>(stream: S, gateway: ToGateway)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| exchange(request, gateway.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "connection to the REST API ended");
    }
}

/// The connection is cut instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost on purpose")]
struct Cut;

async fn exchange(
    request: hyper::Request<Incoming>,
    gateway: ToGateway,
) -> Result<HttpResponse<Full<Bytes>>, Cut> {
    let request = match timeout(BODY_WITHIN, read(request)).await {
        Ok(Ok(request)) => request,
        Ok(Err(status)) => return Ok(bare(status)),
        Err(_) => return Ok(bare(StatusCode::REQUEST_TIMEOUT)),
    };
    let (reply, answer) = oneshot::channel();
    if gateway.send((request, reply)).await.is_err() {
        return Err(Cut);
    }
    let answer = answer.await.map_err(|_| Cut)?;
    sleep(answer.after).await;
    answer.response.map(write).ok_or(Cut)
}

/// `Err` is the status to answer with.
async fn read(request: hyper::Request<Incoming>) -> Result<Request, StatusCode> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().strip_prefix("/v2").unwrap_or("/");
    let query = head.uri.query().unwrap_or_default();
    let query = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let authorization = head.headers.get(AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok());
    let body = Limited::new(body, MAX_BODY).collect().await;
    let body = body.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    Ok(Request {
        method: head.method.as_str().to_owned(),
        path: path.to_owned(),
        query,
        authorization: authorization.map(str::to_owned),
        body: body.to_bytes().to_vec(),
    })
}

fn write(response: Response) -> HttpResponse<Full<Bytes>> {
    let (kind, body) = match response.body {
        Body::Empty => (None, Bytes::new()),
        Body::Json(body) => (
            Some("application/json;charset=utf-8"),
            Bytes::from(body.to_string()),
        ),
        Body::Text(text) => (Some("text/plain"), Bytes::from(text)),
    };
    let mut written = bare(StatusCode::from_u16(response.status).unwrap_or_default());
    *written.body_mut() = Full::new(body);
    let headers = written.headers_mut();
    if let Some(kind) = kind {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    for (name, value) in response.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    written
}

fn bare(status: StatusCode) -> HttpResponse<Full<Bytes>> {
    let mut response = HttpResponse::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response
}
