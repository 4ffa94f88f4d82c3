//! Three command lines, one set of settings.

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use temporal_testing::server::visibility::AttributeType;

/// A Temporal server in one process: nothing is stored, and time can be skipped.
#[derive(Debug, Parser)]
#[command(name = "temporal-embedded-server", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    own: Own,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct Own {
    /// Port to listen on, as the Java test server takes it
    #[arg(value_name = "PORT", conflicts_with = "port")]
    positional_port: Option<u16>,
    /// Port to listen on; 0 takes any that is free and prints it
    #[arg(long, short, default_value_t = 7233)]
    port: u16,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    ip: String,
    /// Listen on an address that other machines can reach: the server asks nobody who they are
    #[arg(long)]
    expose: bool,
    /// Let time skip once a client unlocks it
    #[arg(long)]
    time_skipping: bool,
    /// Let time skip from the start
    #[arg(long)]
    enable_time_skipping: bool,
    #[command(flatten)]
    worlds: Worlds,
    /// What to log on stderr: error, warn, info, debug, trace, or a filter such as temporal_testing=debug
    #[arg(long, default_value = "warn")]
    log_level: String,
}

/// What exists from the start.
#[derive(Debug, Args)]
struct Worlds {
    /// Namespace to create beside `default`; may be repeated
    #[arg(long, short)]
    namespace: Vec<String>,
    /// Search attribute to create, NAME=TYPE with a type of Text, Keyword, Int, Double, Bool, Datetime or KeywordList;
    /// may be repeated
    #[arg(long, value_name = "NAME=TYPE", value_parser = search_attribute)]
    search_attribute: Vec<(String, AttributeType)>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// As the Temporal CLI has it
    #[command(hide = true)]
    Server {
        #[command(subcommand)]
        command: ServerCommand,
    },
}

#[derive(Debug, Subcommand)]
enum ServerCommand {
    /// Takes the options of the Temporal CLI's command of this name; those about storage, web interface and metrics change
    /// nothing
    StartDev(Box<StartDev>),
}

#[derive(Debug, Args)]
struct StartDev {
    #[arg(long, short, default_value_t = 7233)]
    port: u16,
    #[arg(long, default_value = "127.0.0.1")]
    ip: String,
    #[arg(long)]
    expose: bool,
    #[arg(long)]
    time_skipping: bool,
    #[command(flatten)]
    worlds: Worlds,
    #[arg(long, default_value = "warn")]
    log_level: String,
    #[command(flatten)]
    ignored: Ignored,
}

/// Accepted so that whoever passes them need not know which server it starts.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "one a flag of the Temporal CLI")]
struct Ignored {
    #[arg(long, short = 'f', hide = true)]
    db_filename: Option<String>,
    #[arg(long, hide = true)]
    headless: bool,
    #[arg(long, hide = true)]
    dynamic_config_value: Vec<String>,
    #[arg(long, hide = true)]
    http_port: Option<String>,
    #[arg(long, hide = true)]
    metrics_port: Option<String>,
    #[arg(long, hide = true)]
    log_config: bool,
    #[arg(long, hide = true)]
    log_format: Option<String>,
    #[arg(long, hide = true)]
    sqlite_pragma: Vec<String>,
    #[arg(long, hide = true)]
    ui_port: Option<String>,
    #[arg(long, hide = true)]
    ui_ip: Option<String>,
    #[arg(long, hide = true)]
    ui_asset_path: Option<String>,
    #[arg(long, hide = true)]
    ui_codec_endpoint: Option<String>,
    #[arg(long, hide = true)]
    ui_public_path: Option<String>,
    #[arg(long, hide = true)]
    ui_disable_news_fetch: bool,
    #[arg(long, short, hide = true)]
    output: Option<String>,
    #[arg(long, hide = true)]
    color: Option<String>,
    #[arg(long, hide = true)]
    time_format: Option<String>,
    #[arg(long, hide = true)]
    command_timeout: Option<String>,
    #[arg(long, hide = true)]
    client_connect_timeout: Option<String>,
    #[arg(long, hide = true)]
    config_file: Option<String>,
    #[arg(long, hide = true)]
    profile: Option<String>,
    #[arg(long, hide = true)]
    disable_config_file: bool,
    #[arg(long, hide = true)]
    disable_config_env: bool,
    #[arg(long, hide = true)]
    no_json_shorthand_payloads: bool,
    #[arg(long, hide = true)]
    env: Option<String>,
    #[arg(long, hide = true)]
    env_file: Option<String>,
}

/// What the server is started with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) ip: String,
    pub(crate) port: u16,
    pub(crate) expose: bool,
    /// The locks on time at the start; `None` when time is real.
    pub(crate) time_skipping: Option<u32>,
    pub(crate) namespaces: Vec<String>,
    pub(crate) search_attributes: Vec<(String, AttributeType)>,
    pub(crate) log_level: String,
}

impl Arguments {
    /// What the arguments ask for.
    pub(crate) fn settings(self) -> Result<Settings, clap::Error> {
        let settings = match self.command {
            Some(Command::Server {
                command: ServerCommand::StartDev(start),
            }) => start.settings(),
            None => self.own.settings(),
        };
        match settings.log_level.parse::<tracing_subscriber::EnvFilter>() {
            Ok(_) => Ok(settings),
            Err(error) => {
                let message = format!("--log-level {:?}: {error}", settings.log_level);
                Err(Arguments::command().error(ErrorKind::ValueValidation, message))
            }
        }
    }
}

impl Own {
    fn settings(self) -> Settings {
        // The Java test server skips time in both cases, and without its flag starts locked.
        let java = self.positional_port.is_some();
        Settings {
            ip: self.ip,
            port: self.positional_port.unwrap_or(self.port),
            expose: self.expose,
            time_skipping: if self.enable_time_skipping {
                Some(0)
            } else if self.time_skipping || java {
                Some(1)
            } else {
                None
            },
            namespaces: self.worlds.namespace,
            search_attributes: self.worlds.search_attribute,
            log_level: self.log_level,
        }
    }
}

impl StartDev {
    fn settings(self) -> Settings {
        let log_level = match self.log_level.as_str() {
            // The CLI's own names for what `tracing` calls otherwise.
            "never" => "off".to_owned(),
            "fatal" => "error".to_owned(),
            _ => self.log_level,
        };
        Settings {
            ip: self.ip,
            port: self.port,
            expose: self.expose,
            time_skipping: self.time_skipping.then_some(1),
            namespaces: self.worlds.namespace,
            search_attributes: self.worlds.search_attribute,
            log_level,
        }
    }
}

fn search_attribute(text: &str) -> Result<(String, AttributeType), String> {
    let (name, kind) = text.split_once('=').ok_or("write NAME=TYPE")?;
    // The CLI takes the type with or without quotes of JSON.
    let kind = kind
        .trim_matches('"')
        .parse::<AttributeType>()
        .map_err(|error| error.to_string())?;
    Ok((name.to_owned(), kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(line: &str) -> Settings {
        let words = std::iter::once("temporal-embedded-server").chain(line.split_whitespace());
        Arguments::try_parse_from(words)
            .unwrap_or_else(|error| panic!("{line}: {error}"))
            .settings()
            .unwrap()
    }

    #[test]
    fn our_own_line() {
        let read =
            settings("--port 0 --ip ::1 --time-skipping --namespace a --namespace b --search-attribute K=Keyword");
        assert_eq!((read.port, read.ip.as_str(), read.time_skipping), (0, "::1", Some(1)));
        assert_eq!(read.namespaces, ["a", "b"]);
        assert_eq!(read.search_attributes, [("K".to_owned(), AttributeType::Keyword)]);
        assert_eq!((settings("").port, settings("").time_skipping), (7233, None));
    }

    #[test]
    fn the_line_of_the_cli_as_sdks_write_it() {
        let read = settings(
            "server start-dev --port 4711 --namespace default --ip 127.0.0.1 --log-format pretty --log-level warn \
             --dynamic-config-value frontend.enableServerVersionCheck=false --headless --db-filename /tmp/x.db \
             --search-attribute K=Keyword --ui-port 99 --sqlite-pragma journal_mode=wal --output json",
        );
        assert_eq!(
            (read.port, read.log_level.as_str(), read.time_skipping),
            (4711, "warn", None)
        );
        assert_eq!(read.search_attributes.len(), 1);
    }

    #[test]
    fn the_line_of_the_java_test_server() {
        assert_eq!(settings("4711").time_skipping, Some(1));
        let read = settings("4711 --enable-time-skipping");
        assert_eq!((read.port, read.time_skipping), (4711, Some(0)));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, word) in [
            ("--search-attribute K=Date", "KeywordList"),
            ("--port x", "--port"),
            ("1 --port 2", "PORT"),
        ] {
            let words = std::iter::once("temporal-embedded-server").chain(line.split_whitespace());
            let error = Arguments::try_parse_from(words).unwrap_err().to_string();
            assert!(error.contains(word), "{line}: {error}");
        }
    }
}
