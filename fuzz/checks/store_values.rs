//! What holds for whatever is put under a key: it is refused, or what it says can be written and
//! read again.

use std::fmt::Debug;

use serde_json::to_vec;
use shunt_config::hold::Hold;
use shunt_config::key::Key;
use shunt_config::mirror::Mirror;
use shunt_config::strict::Mistake;
use shunt_config::{Active, App, Release};

pub(crate) fn check(bytes: &[u8]) {
    read(bytes, App::parse, |app| to_vec(app).ok());
    read(bytes, Release::parse, |release| to_vec(release).ok());
    read(bytes, Active::parse, |active| Some(active.to_string().into_bytes()));
    read(bytes, Hold::parse, |hold| to_vec(hold).ok());
    read(bytes, Mirror::parse, |mirror| to_vec(mirror).ok());
    let key = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).map_err(|e| Mistake::new(e.to_string()))?;
        Key::parse(text)
    };
    read(bytes, key, |key| Some(key.to_string().into_bytes()));
}

fn read<T: Debug + PartialEq>(
    bytes: &[u8],
    parse: impl Fn(&[u8]) -> Result<T, Mistake>,
    write: impl Fn(&T) -> Option<Vec<u8>>,
) {
    match parse(bytes) {
        Ok(value) => {
            let written = write(&value).expect("what is read can be written");
            match parse(&written) {
                Ok(again) => assert_eq!(again, value, "written as {}", written.escape_ascii()),
                Err(refused) => panic!("{}: {refused}", written.escape_ascii()),
            }
        }
        Err(refused) => assert!(!refused.to_string().is_empty(), "refused without a reason"),
    }
}
