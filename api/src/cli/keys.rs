//! `orderlight keys create|list|revoke`, for a store that no service has open.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use domain::ids::MerchantId;
use domain::merchant::{KeyRevoked, KeyStanding, MerchantCommand, Role};
use domain::time::Timestamp;

use super::{StoreArgs, rulebook};
use crate::service::{DEFAULT_MERCHANT, Service, new_key};

/// Make, list and revoke keys in a store that no service has open
#[derive(Subcommand)]
pub(super) enum Keys {
    /// Make a key and print it once
    Create {
        /// What people call it
        name: String,
        /// What it may do; give the option once for each role, or separate roles by commas
        #[arg(long = "role", required = true, value_parser = role, value_delimiter = ',', env = "ORDERLIGHT_ROLE")]
        roles: Vec<Role>,
        /// Until when it counts, RFC 3339
        #[arg(long, env = "ORDERLIGHT_EXPIRES_AT")]
        expires_at: Option<Timestamp>,
        #[command(flatten)]
        of: Of,
    },
    /// List the keys
    List {
        #[command(flatten)]
        of: Of,
    },
    /// Revoke a key
    Revoke {
        /// The key's id
        id: String,
        #[command(flatten)]
        of: Of,
    },
}

/// Whose keys, in which store.
#[derive(Args)]
pub(super) struct Of {
    /// The merchant whose keys these are
    #[arg(long, default_value = DEFAULT_MERCHANT, env = "ORDERLIGHT_MERCHANT")]
    merchant: MerchantId,
    #[command(flatten)]
    store: StoreArgs,
}

fn role(text: &str) -> Result<Role, String> {
    Role::ALL.into_iter().find(|role| role.name() == text).ok_or_else(|| {
        let names: Vec<_> = Role::ALL.into_iter().map(Role::name).collect();
        format!("expected one of {}", names.join(", "))
    })
}

impl Keys {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let (Self::Create { of, .. } | Self::List { of } | Self::Revoke { of, .. }) = &self;
        let merchant = of.merchant.clone();
        let store = match &self {
            Self::Create { .. } => of.store.open_or_create(None).await?,
            Self::List { .. } | Self::Revoke { .. } => of.store.open().await?,
        };
        let service = Service::start(store, rulebook::first(None)?).await?;
        let done = self.act(&merchant, &service).await;
        service.stop().await;
        done.map(|()| ExitCode::SUCCESS)
    }

    async fn act(self, merchant: &MerchantId, service: &Service) -> anyhow::Result<()> {
        match self {
            Self::Create { name, roles, expires_at, .. } => {
                let (key, created) = new_key(&name, roles, expires_at)?;
                let id = created.id.clone();
                service.command(merchant, "command line", MerchantCommand::CreateKey(created)).await?;
                say!("key {id} of the merchant {merchant}, shown only now: {key}");
            }
            Self::List { .. } => {
                let known = service.directory.merchant(merchant).context("the merchant is not registered")?;
                for key in known.keys() {
                    let roles: Vec<_> = key.created.roles.iter().map(|role| role.name()).collect();
                    let expires = key.created.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
                    let standing = if key.standing == KeyStanding::Active { "active" } else { "revoked" };
                    let (id, name) = (&key.created.id, &key.created.name);
                    say!("{id}  {standing:<7}  expires {expires}  {}  {name}", roles.join(","));
                }
            }
            Self::Revoke { id, .. } => {
                let revoked = KeyRevoked { id: id.as_str().into() };
                service.command(merchant, "command line", MerchantCommand::RevokeKey(revoked)).await?;
                say!("key {id} revoked");
            }
        }
        Ok(())
    }
}
