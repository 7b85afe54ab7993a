//! Commands, as people write them: a line for a shell, or the words themselves.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A command: `"bin/migrate && bin/seed"` is run by `/bin/sh -c`, `["bin/migrate", "--all"]` as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A line for a shell.
    Shell(String),
    /// The program and its arguments; at least the program.
    Words(Vec<String>),
}

impl Command {
    /// The words to run, the program first.
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::Shell(line) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
            Self::Words(words) => words.clone(),
        }
    }

    fn checked(self) -> Result<Self, &'static str> {
        let (empty, zero) = match &self {
            Self::Shell(line) => (line.trim().is_empty(), line.contains('\0')),
            Self::Words(words) => (
                words.first().is_none_or(String::is_empty),
                words.iter().any(|word| word.contains('\0')),
            ),
        };
        match (empty, zero) {
            (true, _) => Err("names no program"),
            (_, true) => Err("has a zero byte in it, which no program can be given"),
            _ => Ok(self),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell(line) => f.write_str(line),
            Self::Words(words) => f.write_str(&words.join(" ")),
        }
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, ser: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Shell(line) => line.serialize(ser),
            Self::Words(words) => words.serialize(ser),
        }
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> de::Visitor<'de> for Reader {
            type Value = Command;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a line for the shell, or a list of words")
            }

            fn visit_str<E: de::Error>(self, line: &str) -> Result<Command, E> {
                Command::Shell(line.to_owned()).checked().map_err(E::custom)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Command, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = list.next_element()? {
                    words.push(word);
                }
                Command::Words(words).checked().map_err(de::Error::custom)
            }
        }

        de.deserialize_any(Reader)
    }
}

/// Several commands, one after the other: a single line is a list of one. For
/// `#[serde(deserialize_with = "crate::command::several")]`.
pub(crate) fn several<'de, D: Deserializer<'de>>(de: D) -> Result<Vec<Command>, D::Error> {
    struct Reader;

    impl<'de> de::Visitor<'de> for Reader {
        type Value = Vec<Command>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a line for the shell, or a list of commands")
        }

        fn visit_str<E: de::Error>(self, line: &str) -> Result<Self::Value, E> {
            Ok(vec![Command::Shell(line.to_owned()).checked().map_err(E::custom)?])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut commands = Vec::new();
            while let Some(command) = list.next_element()? {
                commands.push(command);
            }
            Ok(commands)
        }
    }

    de.deserialize_any(Reader)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Command, String> {
        crate::strict::json(json).map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn a_line_is_for_the_shell_and_a_list_is_run_as_it_is() {
        let line = read(r#""bin/migrate && true""#).unwrap();
        assert_eq!(line.words(), ["/bin/sh", "-c", "bin/migrate && true"]);
        let list = read(r#"["bin/migrate", "--all now"]"#).unwrap();
        assert_eq!(list.words(), ["bin/migrate", "--all now"]);
        for command in [line, list] {
            assert_eq!(read(&serde_json::to_string(&command).unwrap()).unwrap(), command);
        }
    }

    #[test]
    fn what_names_no_program_is_refused() {
        for json in [r#""  ""#, "[]", r#"[""]"#] {
            assert!(read(json).unwrap_err().contains("names no program"), "{json}");
        }
        assert!(read(r#"["a", "b\u0000"]"#).unwrap_err().contains("zero byte"));
        assert!(read("7").unwrap_err().contains("a line for the shell"));
    }
}
