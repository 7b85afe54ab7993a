//! The verbs that the API has, and how what is asked becomes a command line.

use serde_json::{Map, Value};
use shunt_config::serve_file::May;
use shunt_config::strict::nearest;

use crate::exit::Failure;

/// Characters of a text at most.
const LONGEST: usize = 1000;

/// A verb that the API has.
#[derive(Debug)]
pub struct Verb {
    /// Its name, as on the command line.
    pub name: &'static str,
    /// What one has to be allowed for it.
    pub may: May,
    /// Whether it takes the app's lock, and so has to wait for its turn.
    pub waits: bool,
    /// What can be asked.
    pub fields: &'static [Field],
}

/// One thing that can be asked.
#[derive(Debug)]
pub struct Field {
    /// Its key.
    pub key: &'static str,
    /// What it becomes.
    pub form: Form,
}

/// What a value becomes on the command line.
#[derive(Debug)]
pub enum Form {
    /// A flag with a text: `--to=1.0`.
    Text(&'static str),
    /// A flag with a number.
    Number(&'static str),
    /// A flag, or none.
    Switch(&'static str),
    /// A flag for each of a list.
    Each(&'static str),
    /// A word after the app's name.
    Word,
    /// Nothing by itself: `act` sees to it.
    Image,
}

const fn field(key: &'static str, form: Form) -> Field {
    Field { key, form }
}

/// All there are.
pub static VERBS: &[Verb] = &[
    Verb {
        name: "deploy",
        may: May::Deploy,
        waits: true,
        fields: &[
            field("tag", Form::Image),
            field("digest", Form::Image),
            field("image", Form::Image),
        ],
    },
    Verb {
        name: "undo",
        may: May::Deploy,
        waits: false,
        fields: &[field("to", Form::Text("--to")), field("timeout", Form::Text("--timeout"))],
    },
    Verb {
        name: "flip",
        may: May::All,
        waits: false,
        fields: &[
            field("to", Form::Word),
            field("wait", Form::Text("--wait")),
            field("timeout", Form::Text("--timeout")),
        ],
    },
    Verb {
        name: "promote",
        may: May::Deploy,
        waits: false,
        fields: &[field("full", Form::Switch("--full"))],
    },
    Verb {
        name: "abort",
        may: May::Deploy,
        waits: false,
        fields: &[field("timeout", Form::Text("--timeout"))],
    },
    Verb {
        name: "hold",
        may: May::All,
        waits: false,
        fields: &[
            field("for", Form::Text("--for")),
            field("then", Form::Text("--then")),
            field("pace", Form::Number("--pace")),
            field("length", Form::Number("--length")),
            field("timeout", Form::Text("--timeout")),
        ],
    },
    Verb {
        name: "release",
        may: May::All,
        waits: false,
        fields: &[field("timeout", Form::Text("--timeout"))],
    },
    Verb {
        name: "maintenance",
        may: May::All,
        waits: false,
        fields: &[
            field("switch", Form::Word),
            field("message", Form::Text("--message")),
            field("allow", Form::Each("--allow")),
            field("for", Form::Text("--for")),
            field("timeout", Form::Text("--timeout")),
        ],
    },
    Verb {
        name: "retire",
        may: May::All,
        waits: true,
        fields: &[field("timeout", Form::Text("--timeout"))],
    },
    Verb { name: "resume", may: May::Deploy, waits: true, fields: &[] },
    Verb {
        name: "mend",
        may: May::Deploy,
        waits: true,
        fields: &[field("dry_run", Form::Switch("--dry-run"))],
    },
];

/// The verb `name`, which is one of them.
pub(super) fn named(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

impl Verb {
    /// What is asked in `body`: an object, or nothing at all.
    pub fn asked(&self, body: &[u8]) -> Result<Map<String, Value>, Failure> {
        let body = body.trim_ascii();
        if body.is_empty() {
            return Ok(Map::new());
        }
        let wrong = |why: &str| Failure::usage(format!("the body is no JSON object: {why}"));
        let value: Value = serde_json::from_slice(body).map_err(|e| wrong(&e.to_string()))?;
        let Value::Object(asked) = value else { return Err(wrong("write `{}`")) };
        let known = || self.fields.iter().map(|field| field.key);
        if let Some(key) = asked.keys().find(|key| known().all(|known| known != key.as_str())) {
            let said = format!("`{}` has no key `{key}`", self.name);
            let near = nearest(key, known()).map(|near| format!("did you mean `{near}`?"));
            return Err(Failure { hint: near, ..Failure::usage(said) });
        }
        Ok(asked)
    }

    /// The command line after the verb's name: flags, and words that come after the app's name.
    pub fn arguments(
        &self,
        asked: &Map<String, Value>,
    ) -> Result<(Vec<String>, Vec<String>), Failure> {
        let (mut flags, mut words) = (Vec::new(), Vec::new());
        for field in self.fields {
            let Some(value) = asked.get(field.key).filter(|value| !value.is_null()) else {
                continue;
            };
            let wrong = |what: &str| Failure::usage(format!("`{}` is {what}", field.key));
            match (&field.form, value) {
                (Form::Text(flag), Value::String(text)) => {
                    flags.push(format!("{flag}={}", sound(field.key, text)?));
                }
                (Form::Word, Value::String(text)) => words.push(sound(field.key, text)?.to_owned()),
                (Form::Number(flag), Value::Number(number)) if number.is_u64() => {
                    flags.push(format!("{flag}={number}"));
                }
                (Form::Switch(flag), Value::Bool(on)) => {
                    flags.extend(on.then(|| (*flag).to_owned()));
                }
                (Form::Each(flag), Value::Array(all)) => {
                    for one in all {
                        let text = one.as_str().ok_or_else(|| wrong("a list of texts"))?;
                        flags.push(format!("{flag}={}", sound(field.key, text)?));
                    }
                }
                (Form::Image, _) => {}
                (Form::Text(_) | Form::Word, _) => return Err(wrong("a text")),
                (Form::Number(_), _) => return Err(wrong("a number")),
                (Form::Switch(_), _) => return Err(wrong("true or false")),
                (Form::Each(_), _) => return Err(wrong("a list of texts")),
            }
        }
        Ok((flags, words))
    }
}

/// `text`, if it can stand on a command line.
pub(super) fn sound<'a>(key: &str, text: &'a str) -> Result<&'a str, Failure> {
    match text.len() > LONGEST || text.chars().any(char::is_control) {
        true => Err(Failure::usage(format!(
            "`{key}` is longer than {LONGEST} bytes, or has control characters"
        ))),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(verb: &str, body: &str) -> Result<(Vec<String>, Vec<String>), String> {
        let verb = named(verb).unwrap();
        let asked = verb.asked(body.as_bytes()).map_err(|failure| failure.said)?;
        verb.arguments(&asked).map_err(|failure| failure.said)
    }

    #[test]
    fn what_is_asked_becomes_flags_and_words() {
        let (flags, words) = line("flip", r#"{"to":"blue:90,green:10","wait":"drained"}"#).unwrap();
        assert_eq!(
            (flags, words),
            (vec!["--wait=drained".to_owned()], vec!["blue:90,green:10".to_owned()])
        );
        let (flags, words) =
            line("maintenance", r#"{"switch":"on","allow":["10.0.0.0/8","::1"]}"#).unwrap();
        assert_eq!(flags, ["--allow=10.0.0.0/8", "--allow=::1"]);
        assert_eq!(words, ["on"]);
        assert_eq!(line("promote", r#"{"full":false}"#).unwrap(), (vec![], vec![]));
        assert_eq!(line("hold", r#"{"pace":7,"for":"30s"}"#).unwrap().0, ["--for=30s", "--pace=7"]);
        assert_eq!(line("resume", "").unwrap(), (vec![], vec![]));
    }

    /// A value stays the value of its flag, and a word comes after `--`.
    #[test]
    fn nothing_that_is_asked_can_become_another_flag() {
        assert_eq!(line("undo", r#"{"to":"--help"}"#).unwrap().0, ["--to=--help"]);
        assert_eq!(line("flip", r#"{"to":"--help"}"#).unwrap().1, ["--help"]);
        assert!(line("undo", "{\"to\":\"a\\nb\"}").unwrap_err().contains("control"));
    }

    #[test]
    fn what_cannot_be_asked_is_named() {
        for (verb, body, words) in [
            ("undo", "[]", "no JSON object"),
            ("undo", "{", "no JSON object"),
            ("undo", r#"{"too":"1"}"#, "`undo` has no key `too`"),
            ("undo", r#"{"to":1}"#, "`to` is a text"),
            ("promote", r#"{"full":"yes"}"#, "`full` is true or false"),
            ("hold", r#"{"pace":-1}"#, "`pace` is a number"),
            ("maintenance", r#"{"allow":"::1"}"#, "`allow` is a list"),
        ] {
            let said = line(verb, body).unwrap_err();
            assert!(said.contains(words), "{said}");
        }
    }
}
