//! What the stand-ins of CRMs share: a port, a thread, a list of what they were asked, and a way to be in a bad state.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// How a CRM is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Health {
    Well,
    /// Answers everything with this status.
    Status(u16),
    /// Answers after this long.
    Slow(Duration),
    /// Does what it is asked, and answers after this long.
    Holds(Duration),
    /// Does what it is asked, and loses the answer, so many times.
    LosesAnswers(u32),
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Asked {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// A field of a form.
    pub fn field(&self, name: &str) -> String {
        let pairs = huntline::crm::wire::fields_of(&self.body);
        pairs.into_iter().find(|(own, _)| own == name).map(|(_, value)| value).unwrap_or_default()
    }
}

/// Somebody who answers.
pub trait Answers: Send + 'static {
    fn answer(&mut self, asked: &Asked) -> (u16, Value);
}

/// A CRM that stands in for a real one. Ends with its process.
pub struct Standin<T> {
    pub address: SocketAddr,
    pub mind: Arc<Mutex<T>>,
    health: Arc<Mutex<Health>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl<T: Answers> Standin<T> {
    pub fn start(mind: T) -> Standin<T> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let standin = Standin {
            address: listener.local_addr().unwrap(),
            mind: Arc::new(Mutex::new(mind)),
            health: Arc::new(Mutex::new(Health::Well)),
            asked: Arc::default(),
        };
        let (mind, health, asked) = (standin.mind.clone(), standin.health.clone(), standin.asked.clone());
        let serve = move |request: Request| {
            let (mind, health, asked) = (mind.clone(), health.clone(), asked.clone());
            async move { answer(request, mind, health, asked).await }
        };
        let router = Router::new().fallback(serve);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        standin
    }

    pub fn be(&self, health: Health) {
        *self.health.lock().unwrap() = health;
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Something of what it knows.
    pub fn know<R>(&self, look: impl FnOnce(&mut T) -> R) -> R {
        look(&mut self.mind.lock().unwrap())
    }
}

async fn answer<T: Answers>(
    request: Request,
    mind: Arc<Mutex<T>>,
    health: Arc<Mutex<Health>>,
    list: Arc<Mutex<Vec<Asked>>>,
) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 64 << 20).await.unwrap_or_default();
    let asked = Asked {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    list.lock().unwrap().push(asked.clone());
    let now = *health.lock().unwrap();
    match now {
        Health::Status(status) => return StatusCode::from_u16(status).unwrap().into_response(),
        Health::Slow(long) => tokio::time::sleep(long).await,
        Health::Well | Health::Holds(_) | Health::LosesAnswers(_) => {}
    }
    let (status, value) = mind.lock().unwrap().answer(&asked);
    if let Health::Holds(long) = now {
        tokio::time::sleep(long).await;
    }
    if let Health::LosesAnswers(times) = now {
        *health.lock().unwrap() = if times > 1 { Health::LosesAnswers(times - 1) } else { Health::Well };
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let status = StatusCode::from_u16(status).unwrap();
    if status == StatusCode::NO_CONTENT { status.into_response() } else { (status, axum::Json(value)).into_response() }
}
