//! `certificate-check` and the health check beside it, against a TLS listener on loopback.

use std::path::Path;

use pai_tests::rigs::http::Http;
use pai_tests::rigs::tls::{Certificate, Tls};
use pai_tests::{Outcome, has, run, scratch, skip};

use crate::stack::Stack;

const NAME: &str = "memo.example.org";

fn check(stack: &Stack, words: &[&str]) -> Outcome {
    run(stack.script("tasks/certificate-check.sh").args(words))
}

/// acme.json as Traefik writes it: `(domain, base64)` of one resolver, and another that has none.
fn acme(stack: &Stack, certificates: &[(&str, String)]) {
    let list: Vec<_> = certificates
        .iter()
        .map(|(domain, pem)| serde_json::json!({"domain": {"main": domain}, "certificate": pem, "key": "", "Store": "default"}))
        .collect();
    let file = serde_json::json!({
        "letsencrypt": {"Account": {"Email": "a@example.org"}, "Certificates": list},
        "staging": {"Account": null, "Certificates": null},
    });
    stack.write("letsencrypt/acme.json", &file.to_string());
}

#[test]
fn row_4_3_a_served_certificate_is_good_expiring_expired_or_for_another_name() {
    let (stack, folder) = (Stack::new(), scratch());
    // Made so many days ago, to last so many.
    for (ago, lasts, status, word, reason) in [
        (1, 90, 0, "ok", " days left"),
        (70, 90, 1, "warning", "ends within 30d"),
        (85, 90, 1, "error", "ends within 7d"),
        (100, 90, 1, "error", "expired on "),
    ] {
        let Some(certificate) = Certificate::new(folder.path(), NAME, ago, lasts) else { return };
        let Some(server) = Tls::start(&certificate) else { return };
        let target = format!("{NAME}@{}", server.address());
        let outcome = check(&stack, &[&target]).expect(status);
        let start = format!("certificate-check: {word}: {target}: ");
        assert!(outcome.stdout.starts_with(&start) && outcome.stdout.contains(reason), "{}", outcome.stdout);
        // The same check, as a line of health.conf: a warning is no failure there.
        stack.write("deployment/health.conf", &format!("certificate {} name={NAME}\n", server.address()));
        let health = run(&mut stack.script("health-check.sh"));
        assert_eq!(health.status, Some(i32::from(word == "error")), "{}", health.stdout);
        assert!(health.stdout.contains(reason), "{}", health.stdout);
        let other = check(&stack, &[&format!("shop.example.org@{}", server.address())]).expect(1);
        assert!(other.stdout.contains("not for shop.example.org"), "{}", other.stdout);
    }
}

#[test]
fn row_4_3_what_cannot_be_read_is_not_called_expiring_and_has_a_status_of_its_own() {
    if !has("openssl") {
        return skip("no openssl");
    }
    let (stack, plain) = (Stack::new(), Http::start());
    let address = plain.url("").replace("http://", "");
    stack.write("junk.pem", "junk\n");
    stack.write("letsencrypt/acme.json", "{ torn");
    for target in [address.as_str(), "127.0.0.1:1", "./junk.pem", "./missing.pem", "letsencrypt/acme.json"] {
        let outcome = check(&stack, &[target]).expect(2);
        assert!(outcome.stdout.contains(": error: "), "{target}: {}", outcome.stdout);
        for word in ["ends within", "expired", "days left"] {
            assert!(!outcome.stdout.contains(word), "{target}: {}", outcome.stdout);
        }
    }
    acme(&stack, &[]);
    assert!(check(&stack, &[]).expect(2).stdout.contains("no certificate in "));
    acme(&stack, &[(NAME, "bm90IGEgY2VydGlmaWNhdGU=".to_owned())]);
    assert!(check(&stack, &[]).expect(2).stdout.contains("no certificate could be read"));
    std::fs::remove_dir_all(stack.path("letsencrypt")).unwrap();
    assert!(check(&stack, &[]).expect(75).stderr.contains("no certificates to look at"));
}

#[test]
fn row_4_3_each_certificate_of_acme_json_is_judged_and_the_served_one_is_compared_with_it() {
    let (stack, folder) = (Stack::new(), scratch());
    let make = |name, ago| Certificate::new(folder.path(), name, ago, 90);
    let (Some(old), Some(new), Some(shop)) = (make(NAME, 40), make(NAME, 0), make("shop.example.org", 87))
    else {
        return;
    };
    acme(&stack, &[(NAME, new.encoded())]);
    check(&stack, &[]).expect(0);
    acme(&stack, &[(NAME, new.encoded()), ("shop.example.org", shop.encoded())]);
    let outcome = check(&stack, &[]).expect(1);
    assert!(outcome.stdout.contains("shop.example.org (letsencrypt): ends within 7d"), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains(&format!("{NAME} (letsencrypt): ends")), "{}", outcome.stdout);

    acme(&stack, &[(NAME, new.encoded())]);
    let served = |certificate| {
        let server = Tls::start(certificate)?;
        stack.settings(&format!("CERTIFICATES='letsencrypt/acme.json;{NAME}@{}'\n", server.address()));
        Some(check(&stack, &[]))
    };
    let (Some(stale), Some(fresh)) = (served(&old), served(&new)) else { return };
    assert!(
        stale
            .expect(1)
            .stdout
            .contains(&format!("served is not what {}", stack.path("letsencrypt/acme.json").display()))
    );
    fresh.expect(0);
}

#[test]
fn row_4_3_without_settings_the_domain_of_the_stack_is_looked_at() {
    let (stack, folder) = (Stack::new(), scratch());
    let Some(certificate) = Certificate::new(folder.path(), NAME, 0, 90) else { return };
    acme(&stack, &[(NAME, certificate.encoded())]);
    stack.write(".env", "DOMAIN=localhost\n");
    // Nothing that this stack's Traefik serves is at port 443 here: it is asked for, and that is told.
    let outcome = check(&stack, &[]);
    assert!(
        outcome.status != Some(0) && outcome.stdout.contains(": error: localhost:443: "),
        "{}",
        outcome.stdout
    );
    assert!(outcome.stdout.contains(": ok: "), "{}", outcome.stdout);
}

/// One https check; the certificate authority is the certificate itself, if it is trusted.
fn dashboard(stack: &Stack, line: &str, trusted: Option<&Path>) -> Outcome {
    stack.write("deployment/health.conf", line);
    let mut health = stack.script("health-check.sh");
    if let Some(pem) = trusted {
        health.env("CURL_CA_BUNDLE", pem);
    }
    run(&mut health)
}

#[test]
fn row_4_14b_traefiks_dashboard_is_probed_over_tls_at_the_address_it_redirects_to() {
    if !has("curl") {
        return skip("no curl");
    }
    let (stack, folder) = (Stack::new(), scratch());
    let Some(certificate) = Certificate::new(folder.path(), "localhost", 1, 90) else { return };
    let Some(server) = Tls::start(&certificate) else { return };
    let site = format!("https://localhost:{}", server.port());
    let good = format!("http dashboard {site}/dashboard/ body=Traefik");
    dashboard(&stack, &good, Some(certificate.pem())).expect(0);
    let documented =
        dashboard(&stack, &format!("http dashboard {site}/dashboard"), Some(certificate.pem())).expect(1);
    assert!(documented.stdout.contains(&format!("redirects to {site}/dashboard/")), "{}", documented.stdout);
    let untrusted = dashboard(&stack, &good, None).expect(1);
    assert!(untrusted.stdout.contains("TLS: "), "{}", untrusted.stdout);
    let Some(expired) = Certificate::new(folder.path(), "localhost", 100, 90) else { return };
    let Some(server) = Tls::start(&expired) else { return };
    let line = format!("http dashboard https://localhost:{}/dashboard/", server.port());
    assert!(dashboard(&stack, &line, Some(expired.pem())).expect(1).stdout.contains("TLS: "));
}
