//! The sealed content: canaries in each syntax and in every kind of place.

use envconf::ContentType;

use crate::types::{BUFFERED, SECRETS, SHAPES};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    Toml,
    TomlEscapes,
    Json,
    JsonEscapes,
    Dotenv,
    #[cfg(feature = "yaml")]
    Yaml,
    #[cfg(feature = "yaml")]
    YamlEscapes,
}

impl Syntax {
    pub fn content_type(self) -> ContentType {
        match self {
            Self::Toml | Self::TomlEscapes => ContentType::Toml,
            Self::Json | Self::JsonEscapes => ContentType::Json,
            Self::Dotenv => ContentType::Dotenv,
            #[cfg(feature = "yaml")]
            Self::Yaml | Self::YamlEscapes => ContentType::Yaml,
        }
    }

    /// Returns the canary as written in this syntax. Each half is unchanged, and an escape is between them.
    fn written(self, canary: &str) -> String {
        let escape = match self {
            Self::TomlEscapes | Self::JsonEscapes => "\\u0041\\\"",
            #[cfg(feature = "yaml")]
            Self::YamlEscapes => "\\u0041\\\"",
            _ => "",
        };
        let (start, end) = canary.split_at(canary.len() / 2);
        format!("{start}{escape}{end}")
    }

    /// Returns content for `App`, with these canaries for its `SECRETS`.
    pub fn app(self, canaries: &[String]) -> String {
        let canaries: Vec<_> = canaries.iter().map(|canary| self.written(canary)).collect();
        let canaries: &[String; SECRETS.len()] = canaries.as_slice().try_into().unwrap();
        let [token, list, map, leaf, boxed, password, replica, unread, comment] = canaries;
        match self {
            Self::Toml | Self::TomlEscapes => format!(
                "# {comment}\ntoken = \"{token}\"\nlist = [\"{list}\", '''x''']\nunread = \"{unread}\"\n\
                 boxed = \"{boxed}\"\nmap = {{ a = \"{map}\" }}\n[leaf]\nuser = \"\"\"{leaf}\"\"\"\n\
                 [database]\npassword = \"{password}\"\nreplica = \"{replica}\"\n"
            ),
            Self::Json | Self::JsonEscapes => format!(
                "{{\"token\":\"{token}\",\"list\":[\"{list}\",\"x\"],\"unread\":[\"{unread}\",\"{comment}\"],\
                 \"map\":{{\"a\":\"{map}\"}},\"leaf\":{{\"user\":\"{leaf}\"}},\"boxed\":\"{boxed}\",\n\
                 \"database\":{{\"password\":\"{password}\",\"replica\":\"{replica}\"}}}}"
            ),
            Self::Dotenv => format!(
                "#{comment}\nTOKEN={token}\nAPP__LIST=[\"{list}\", 'x']\nUNREAD={unread}\nBOXED={boxed}\n\
                 MAP={{\"a\": \"{map}\"}}\nLEAF={{ user = '{leaf}' }}\n\
                 DATABASE__PASSWORD={password}\nDATABASE__REPLICA={replica}\n"
            ),
            #[cfg(feature = "yaml")]
            Self::Yaml | Self::YamlEscapes => {
                let quote = if self == Self::Yaml { "" } else { "\"" };
                format!(
                    "# {comment}\ntoken: {quote}{token}{quote}\nlist: [{quote}{list}{quote}, x]\n\
                     unread: {quote}{unread}{quote}\nmap:\n  a: \"{map}\"\nboxed: {quote}{boxed}{quote}\n\
                     leaf: {{user: {quote}{leaf}{quote}}}\n\
                     database:\n  password: {quote}{password}{quote}\n  replica: {quote}{replica}{quote}\n"
                )
            }
        }
    }

    /// Returns content for `Shapes`, as JSON, TOML or dotenv.
    pub fn shapes(self, canaries: &[String]) -> String {
        let canaries: Vec<_> = canaries.iter().map(|canary| self.written(canary)).collect();
        let canaries: &[String; SHAPES.len()] = canaries.as_slice().try_into().unwrap();
        let [nodes, peers, deep, tagged, tuple, array, options, labels] = canaries;
        match self {
            Self::Toml | Self::TomlEscapes => format!(
                "tuple = [1, \"{tuple}\"]\narray = [\"{array}\"]\noptions = [\"{options}\"]\n\
                 tagged = {{ type = \"vault\", token = \"{tagged}\" }}\nlabels.a = \"{labels}\"\n\
                 deep = [{{ a = {{ token = \"{deep}\" }} }}]\n\
                 [[nodes]]\ntoken = \"{nodes}\"\n[peers.a]\ntoken = \"{peers}\"\n"
            ),
            Self::Dotenv => format!(
                "TUPLE=[1, \"{tuple}\"]\nARRAY=[\"{array}\"]\nOPTIONS=[\"{options}\"]\nTAGGED__TYPE=vault\n\
                 TAGGED__TOKEN={tagged}\nLABELS__A={labels}\nDEEP=[{{\"a\": {{\"token\": \"{deep}\"}}}}]\n\
                 NODES__0__TOKEN={nodes}\nPEERS__A__TOKEN={peers}\n"
            ),
            _ => format!(
                "{{\"tuple\":[1,\"{tuple}\"],\"array\":[\"{array}\"],\"options\":[\"{options}\"],\
                 \"tagged\":{{\"type\":\"vault\",\"token\":\"{tagged}\"}},\"labels\":{{\"a\":\"{labels}\"}},\
                 \"deep\":[{{\"a\":{{\"token\":\"{deep}\"}}}}],\
                 \"nodes\":[{{\"token\":\"{nodes}\"}}],\"peers\":{{\"a\":{{\"token\":\"{peers}\"}}}}}}"
            ),
        }
    }

    /// Returns content for `Buffered`, as JSON.
    pub fn buffered(self, canaries: &[String]) -> String {
        let canaries: Vec<_> = canaries.iter().map(|canary| self.written(canary)).collect();
        let canaries: &[String; BUFFERED.len()] = canaries.as_slice().try_into().unwrap();
        let [untagged, flattened, tagged, text] = canaries;
        format!(
            "{{\"untagged\":\"{untagged}\",\"flattened\":{{\"user\":\"{flattened}\"}},\
             \"tagged\":{{\"type\":\"basic\",\"user\":\"{tagged}\"}},\"text\":\"{text}\"}}"
        )
    }
}
