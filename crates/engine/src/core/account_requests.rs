//! What users ask of accounts: texts, tokens, channels, commands for the server.

use std::sync::Arc;
use std::time::Instant;

use offhook_signaling::auth::jwt::Lifetime;
use offhook_signaling::auth::login::{Login, LoginKind};
use offhook_signaling::command::{Command, ConversationItem};
use offhook_signaling::secret::Secret;
use serde_json::Value;

use crate::core::check::check_text;
use crate::core::machine::Core;
use crate::error::Error;
use crate::event::EventKind;
use crate::output::{AccountKey, Output};
use crate::request::{Message, ServerCommand};
use crate::token_source::TokenError;

impl Core {
    /// Sends a text: to an assistant, into a call, or to a user. Gives back its number among the texts of its account, by which
    /// `MessageAccepted` or `MessageFailed` tells what became of it; of a text to an assistant nothing is told.
    ///
    /// # Errors
    /// When account or call are unknown, the text is too long, or images would go to a user, whom none reaches.
    pub fn message(&mut self, message: Message) -> Result<Option<u64>, Error> {
        check_text(&message.text)?;
        let account = match &message.call {
            Some(id) => self.account_of(id)?,
            None => self.find_ready(message.account.as_deref())?,
        };
        // With SIP the call says to whom, and there are no assistants.
        let into_call = message.call.is_some()
            && self
                .accounts
                .get(account.0)
                .is_some_and(|entry| entry.profile.protocol.is_sip());
        let to = message.to.or_else(|| into_call.then(String::new));
        if to.is_some() && !message.images.is_empty() {
            return Err(Error::Unsendable {
                what: "an image",
                why: "a text to a user carries none, only an assistant sees them".to_owned(),
            });
        }
        let id = to.is_some().then(|| {
            self.messages += 1;
            self.messages
        });
        let command = match to {
            Some(to) => Command::Message {
                id: self.messages,
                call: message.call,
                to,
                body: message.text,
            },
            None => Command::Converse {
                call: message.call,
                item: ConversationItem::Text {
                    text: message.text,
                    images: message.images,
                },
            },
        };
        self.outbox.push_back(Output::Signaling(account, command));
        Ok(id)
    }

    /// Answers a tool call of an assistant.
    ///
    /// # Errors
    /// When the account is unknown or not ready, or the output too long.
    pub fn tool_answer(
        &mut self,
        account: Option<&str>,
        tool_call: String,
        output: String,
    ) -> Result<(), Error> {
        check_text(&output)?;
        let account = self.find_ready(account)?;
        let item = ConversationItem::ToolOutput { tool_call, output };
        let command = Command::Converse { call: None, item };
        self.outbox.push_back(Output::Signaling(account, command));
        Ok(())
    }

    /// Logs an account in with this token from now on; calls go on.
    ///
    /// # Errors
    /// When the account is unknown, does not log in with tokens, or this is none.
    pub fn token(&mut self, account: Option<&str>, token: Secret) -> Result<(), Error> {
        let key = self.find_account(account)?;
        let Some(entry) = self.accounts.get(key.0) else {
            return Err(Error::Ended);
        };
        if entry.profile.login != LoginKind::Token {
            return Err(Error::NoTokenLogin {
                account: Arc::clone(&entry.profile.name),
            });
        }
        Lifetime::read(token.expose()).map_err(|fault| Error::NoToken(fault.to_string()))?;
        self.note_token(key, &token);
        self.outbox.push_back(Output::Signaling(
            key,
            Command::Login(Login::Token { token }),
        ));
        Ok(())
    }

    /// What the account's token source brought, or why it brought nothing.
    pub fn fetched(
        &mut self,
        account: AccountKey,
        outcome: Result<Secret, TokenError>,
        now: Instant,
    ) {
        let command = match outcome {
            Ok(token) => {
                self.note_token(account, &token);
                Command::Login(Login::Token { token })
            }
            Err(error) => {
                let reason = error.to_string();
                let told = EventKind::TokenFailed {
                    reason: reason.clone(),
                };
                self.tell(account, vec![told], now);
                Command::TokenFailed {
                    reason,
                    retry_after: error.retry_after(),
                }
            }
        };
        self.outbox.push_back(Output::Signaling(account, command));
    }

    /// Tries now to connect and log in, in place of the next time.
    ///
    /// # Errors
    /// When the account is unknown.
    pub fn retry(&mut self, account: Option<&str>) -> Result<(), Error> {
        let key = self.find_account(account)?;
        let reads = self
            .accounts
            .get(key.0)
            .is_some_and(|entry| entry.profile.has_password_file);
        self.outbox.push_back(if reads {
            Output::ReadPassword(key)
        } else {
            Output::Signaling(key, Command::Retry)
        });
        Ok(())
    }

    /// What the account's password file holds now, or why it cannot be used. `retry`: somebody asked for another try.
    pub fn password(
        &mut self,
        account: AccountKey,
        outcome: Result<Login, String>,
        retry: bool,
        now: Instant,
    ) {
        match outcome {
            Ok(login) => self
                .outbox
                .push_back(Output::Signaling(account, Command::Login(login))),
            Err(reason) => {
                let remedy = Some("mend the file and its rights, then ask again".to_owned());
                self.tell(
                    account,
                    vec![EventKind::RequestFailed { reason, remedy }],
                    now,
                );
            }
        }
        if retry {
            self.outbox
                .push_back(Output::Signaling(account, Command::Retry));
        }
    }

    /// Watches channels of the server, or no longer. An account that is not ready asks for them as soon as it is.
    ///
    /// # Errors
    /// When the account is unknown, or shut down.
    pub fn watch(
        &mut self,
        account: Option<&str>,
        channels: Vec<String>,
        on: bool,
    ) -> Result<(), Error> {
        let account = self.find_living(account)?;
        let command = if on {
            Command::Subscribe { channels }
        } else {
            Command::Unsubscribe { channels }
        };
        self.outbox.push_back(Output::Signaling(account, command));
        Ok(())
    }

    /// Sends data into a channel of the server.
    ///
    /// # Errors
    /// When the account is unknown or not ready.
    pub fn broadcast(
        &mut self,
        account: Option<&str>,
        channel: String,
        data: Value,
    ) -> Result<(), Error> {
        let account = self.find_ready(account)?;
        let command = Command::Broadcast { channel, data };
        self.outbox.push_back(Output::Signaling(account, command));
        Ok(())
    }

    /// Gives a command to the server; [`Output::Answer`] with this number follows, sooner or later.
    ///
    /// # Errors
    /// When the account is unknown, not ready, or may not do so.
    pub fn server_command(
        &mut self,
        account: Option<&str>,
        id: u64,
        command: ServerCommand,
    ) -> Result<(), Error> {
        let key = self.find_ready(account)?;
        let Some(entry) = self.accounts.get(key.0) else {
            return Err(Error::Ended);
        };
        let profile = &entry.profile;
        let missing = match &command {
            ServerCommand::Json { .. } | ServerCommand::Text { .. } => {
                if !profile.server_commands {
                    return Err(Error::CommandsNotAllowed {
                        account: Arc::clone(&profile.name),
                    });
                }
                None
            }
            ServerCommand::Echo { .. } => (!profile.protocol.carries().echo).then_some("an echo"),
            ServerCommand::AttachCalls { .. } | ServerCommand::DisablePush => {
                if profile.login == LoginKind::Anonymous {
                    return Err(Error::Anonymous {
                        account: Arc::clone(&profile.name),
                        what: "nobody can call it, so no push message wakes it",
                    });
                }
                (!profile.protocol.carries().push).then_some("anything about push messages")
            }
        };
        if let Some(what) = missing {
            return Err(Error::NotCarried {
                account: Arc::clone(&profile.name),
                dialect: profile.protocol.name(),
                what,
                instead: "name an account whose server does",
            });
        }
        let command = match command {
            ServerCommand::Echo { data } => Command::Echo { id, data },
            ServerCommand::AttachCalls { call } => Command::AttachCalls { id, call },
            ServerCommand::DisablePush => Command::DisablePush { id },
            ServerCommand::Json { command, data } => Command::JsApi { id, command, data },
            ServerCommand::Text { command, arguments } => Command::FsApi {
                id,
                command,
                arguments,
            },
        };
        self.outbox.push_back(Output::Signaling(key, command));
        Ok(())
    }
}
