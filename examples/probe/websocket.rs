//! WebSocket routes: an echo, a chat, and a route that closes as it is told.
//!
//! | route | what it does |
//! |---|---|
//! | `/ws/echo` | sends each message back; speaks the subprotocol `echo.v1` |
//! | `/ws/chat` | sends each text to all who are connected, the sender too |
//! | `/ws/close` | on the text `CODE REASON` closes with that code and reason |

use squall::yield_;
use squall_web::websocket::{
    Broadcast, CloseCode, Closed, Compression, Membership, Message, Overflow, WebSocketHandler,
    WebSocketOptions, WebSocketSender,
};
use squall_web::{Application, Exchange, Result};

/// Adds the routes. Messages may have so many bytes.
pub(crate) fn routes(app: Application, max_message_bytes: usize) -> Application {
    let options = WebSocketOptions {
        max_message_bytes,
        // Without a context a connection that idles holds no compressor.
        compression: Some(Compression {
            server_no_context_takeover: true,
            ..Compression::default()
        }),
        ..WebSocketOptions::default()
    };
    let echo_options = WebSocketOptions {
        subprotocols: vec!["echo.v1".into()],
        ..options.clone()
    };
    let chat_options = WebSocketOptions {
        // Who reads too slowly is to come again, rather than have the others wait.
        overflow: Overflow::Close,
        max_queued_bytes: 16 * 1024 * 1024,
        max_queued_messages: 64 * 1024,
        ..options.clone()
    };
    let guests = Broadcast::new();
    app.get("/ws/echo", async move |ex: &mut Exchange| {
        echo(ex, &echo_options).await
    })
    .websocket("/ws/chat", move || Guest {
        guests: guests.clone(),
        membership: None,
        options: chat_options.clone(),
    })
    .get("/ws/close", async move |ex: &mut Exchange| {
        close(ex, &options).await
    })
}

/// As a function: it has the connection, and receives.
#[squall::coroutine]
fn echo(ex: &mut Exchange, options: &WebSocketOptions) -> Result<()> {
    let mut ws = yield_!(ex.websocket_with(options))?;
    while let Some(message) = yield_!(ws.recv()) {
        yield_!(ws.send(message))?;
    }
    Ok(())
}

/// As a type: it is told what comes.
struct Guest {
    guests: Broadcast,
    membership: Option<Membership>,
    options: WebSocketOptions,
}

impl WebSocketHandler for Guest {
    fn options(&self) -> WebSocketOptions {
        self.options.clone()
    }

    #[squall::coroutine]
    fn open(&mut self, ws: &WebSocketSender) -> Result<()> {
        self.membership = Some(self.guests.join(ws));
        Ok(())
    }

    #[squall::coroutine]
    fn on_message(&mut self, _ws: &WebSocketSender, message: Message) -> Result<()> {
        if message.is_text() {
            self.guests.push(message);
        }
        Ok(())
    }

    fn on_close(&mut self, _closed: &Closed) {
        self.membership = None;
    }
}

#[squall::coroutine]
fn close(ex: &mut Exchange, options: &WebSocketOptions) -> Result<()> {
    let mut ws = yield_!(ex.websocket_with(options))?;
    while let Some(message) = yield_!(ws.recv()) {
        let text = message.as_text().unwrap_or_default();
        let (code, reason) = text.split_once(' ').unwrap_or((text, ""));
        let code = code.parse::<u16>().map(CloseCode::from);
        match code {
            Ok(code) if code.is_sendable() && reason.len() <= 123 => {
                yield_!(ws.close(code, reason))?;
            }
            _ => yield_!(ws.close(CloseCode::POLICY_VIOLATION, "say CODE REASON"))?,
        }
    }
    Ok(())
}
