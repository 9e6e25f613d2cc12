//! The API under `/api/v1`, for people's programs: what the office knows, and what it can be told to do.
//!
//! It has a thread of its own and meets the core only through the [`Clerk`](crate::clerk::Clerk) (orders, things to write
//! down) and the database (everything that is only looked at). A slow or hostile client makes other clients wait at worst.
//! Each room is a file with its routes; the document that describes them ([`openapi`]) is written by the code.
//!
//! | file | what is asked there |
//! |---|---|
//! | `office` | what every room works with |
//! | `problem` | how a refusal looks (RFC 9457) |
//! | `token` | who asks, and what they may (RFC 6750) |
//! | `events` | what happens, as it happens |
//! | `status` | how the router stands |

mod events;
mod office;
mod problem;
mod status;
mod token;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use self::office::Office;

#[derive(OpenApi)]
#[openapi(info(
    title = "Huntline",
    description = "The call router of an office: what it knows, and what it can be told to do."
))]
struct Document;

/// Every room with its routes.
fn rooms() -> OpenApiRouter<Office> {
    OpenApiRouter::with_openapi(Document::openapi())
        .nest("/api/v1", OpenApiRouter::new().merge(status::routes()).merge(events::routes()))
}

/// The document that describes the API (OpenAPI 3.1), as JSON.
pub fn openapi() -> String {
    let mut text = rooms().into_openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// The API over this office.
pub fn router(office: Office) -> Router {
    let (router, document) = rooms().split_for_parts();
    let text: Arc<str> = document.to_pretty_json().unwrap_or_default().into();
    let described = move || {
        let text = text.clone();
        async move { ([("content-type", "application/json")], text.to_string()) }
    };
    router.route("/api/v1/openapi.json", axum::routing::get(described)).with_state(office)
}

/// The port, taken before anything else is touched.
#[derive(Debug)]
pub struct Door(std::net::TcpListener);

impl Door {
    /// Takes the port.
    ///
    /// # Errors
    /// It is taken, or not ours.
    pub fn open(listen: SocketAddr) -> std::io::Result<Door> {
        let said = |error: std::io::Error| std::io::Error::new(error.kind(), format!("web.listen {listen}: {error}"));
        let listener = std::net::TcpListener::bind(listen).map_err(said)?;
        listener.set_nonblocking(true).map_err(said)?;
        Ok(Door(listener))
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves on a thread of its own, which ends with the process.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn serve(self, office: Office) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serving = move || {
            let served = runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(self.0)?;
                axum::serve(listener, router(office)).await
            });
            if let Err(error) = served {
                tracing::error!(%error, "the API");
            }
        };
        std::thread::Builder::new().name("web".into()).spawn(serving).map(drop)
    }
}
