use super::*;

#[test]
fn urls_read_back_as_they_were_written() {
    for url in [
        "unix:///var/run/docker.sock",
        "tcp://10.0.0.11:2376",
        "tcp://[fd00::1]:2376",
        "ssh://root@10.0.0.11",
        "ssh://app1",
        "ssh://deploy@app1.internal:2222",
        "ssh://[fd00::1]",
        "systemd://local",
        "systemd+ssh://root@10.0.0.11",
        "systemd+ssh://app1:2222",
    ] {
        assert_eq!(url.parse::<EngineUrl>().unwrap().to_string(), url);
    }
    assert_eq!("tcp://app1".parse::<EngineUrl>().unwrap().to_string(), "tcp://app1:2376");
}

#[test]
fn what_is_no_engine_is_refused_with_a_reason() {
    for (url, why) in [
        ("10.0.0.11", "write `unix:///…`"),
        ("unix://docker.sock", "absolute"),
        ("http://10.0.0.11:2375", "reached by"),
        ("tcp://root@10.0.0.11", "by their certificates"),
        ("tcp://10.0.0.11:0", "`host:port`"),
        ("ssh://", "`host:port`"),
        ("ssh://root@10.0.0.11/var/run", "nothing comes after"),
        ("ssh://-oProxyCommand=x", "`host:port`"),
        ("ssh://-l@app1", "no user"),
        ("ssh://a b@app1", "no user"),
        ("systemd://", "systemd://local"),
        ("systemd://10.0.0.11", "systemd+ssh://"),
        ("systemd+ssh://-l@app1", "no user"),
    ] {
        let said = url.parse::<EngineUrl>().unwrap_err().to_string();
        assert!(said.contains(why), "{url}: {said}");
    }
}

#[test]
fn an_engine_is_its_url_or_a_table_with_its_files() {
    for text in [
        r#""ssh://root@10.0.0.11""#,
        r#"{"engine":"tcp://10.0.0.11:2376","ca":"/c/ca.pem","certificate":"/c/cert.pem","key":"/c/key.pem"}"#,
    ] {
        let engine: Engine = crate::strict::json(text).unwrap();
        assert_eq!(serde_json::to_string(&engine).unwrap(), text);
    }
    for (text, why) in [
        (r#"{"engine":"tcp://a:1","ca":"/ca.pem"}"#, "go together"),
        (r#"{"engine":"ssh://a","ca":"/a","certificate":"/b","key":"/c"}"#, "not for `ssh://a`"),
        (r#"{"engine":"tcp://a:1","ca":"a","certificate":"/b","key":"/c"}"#, "not absolute"),
        (r#"{"engine":"ssh://a","port":22}"#, "unknown key `port`"),
        (r#"{"engine":"ssh://a","address":"10.0.0.1"}"#, "address"),
    ] {
        let said = crate::strict::json::<Engine>(text).unwrap_err().to_string();
        assert!(said.contains(why), "{text}: {said}");
    }
}

#[test]
fn a_unit_is_named_without_anything_that_means_more_to_a_shell_or_in_a_path() {
    for unit in ["web-blue@9001.service", "bdd_assistant_blue@9001.service", "a:b.c@x-1.service"] {
        assert!(is_unit(unit), "{unit}");
    }
    let long = format!("{}@9001.service", "a".repeat(250));
    for text in [
        "web.service",
        "web@9001",
        "web@9001.socket",
        "@9001.service",
        "web@.service",
        "-web@9001.service",
        ".web@9001.service",
        "we b@9001.service",
        "web@9001;x.service",
        "web@$(x).service",
        "web@`x`.service",
        "web@../x.service",
        "web@a@b.service",
        "web@\u{e4}.service",
        "web@*.service",
        "web@'.service",
        "web@\n.service",
        long.as_str(),
    ] {
        assert!(!is_unit(text), "{text}");
    }
}
