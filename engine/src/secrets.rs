//! Keys that live in files of their own, and what is made with them.
//!
//! No journal, backup or log may hold a secret. A device's secret is kept as an HMAC with the *pepper*, cheap enough
//! for ten thousand reconnects in ten seconds; callback tokens are HMACs of the attempt with the *link key*, rendered
//! when they are sent and never stored; API tokens are random and kept as SHA-256. Passwords of
//! people are hashed with argon2id under a key made of the pepper, so that a journal without `keys/` cannot be guessed
//! against.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use api::token::Minted;
use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use channels::SigningSecret;
use hmac::{Hmac, Mac};
use model::{AttemptId, WebhookId};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Length of a key file's key, bytes.
const KEY_BYTES: usize = 32;
/// Bytes of the HMAC that a callback token carries: 128 bits.
const CALLBACK_TOKEN_BYTES: usize = 16;
/// The longest text that is looked at as an API token, bytes.
const API_TOKEN_BYTES_MAX: usize = 256;
/// Crockford's base32 in lower case.
const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const PEPPER_FILE: &str = "pepper";
const LINK_KEY_FILE: &str = "link-key";
/// Keeps an HMAC over one kind of thing from ever being one over another.
const DEVICE_DOMAIN: &[u8] = b"yinling device secret v1\0";
const CALLBACK_DOMAIN: &[u8] = b"yinling callback v1\0";
const PROVIDER_DOMAIN: &[u8] = b"yinling provider v1\0";
const LINK_DOMAIN: &[u8] = b"yinling guardian link v1\0";
const CODE_DOMAIN: &[u8] = b"yinling guardian code v1\0";
/// How many codes there are: six digits.
const CODES: u64 = 1_000_000;
/// Characters that prove a guardian's link: 95 bits.
const LINK_PROOF_CHARS: usize = 16;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PASSWORD_DOMAIN: &[u8] = b"yinling password v1\0";
/// argon2id as OWASP's password storage cheat sheet gives it: 19 MiB, two passes, one lane.
const PASSWORD_MEMORY_KIB: u32 = 19 * 1024;
const PASSWORD_PASSES: u32 = 2;
const PASSWORD_LANES: u32 = 1;
const PASSWORD_SALT_BYTES: usize = 16;
const WEBHOOK_DOMAIN: &[u8] = b"yinling webhook v1\0";
const WATCHDOG_DOMAIN: &[u8] = b"yinling watchdog v1\0";

type HmacSha256 = Hmac<Sha256>;

/// The keys of one data directory.
#[derive(Clone)]
pub struct Secrets {
    /// Keyed for device secrets; cloned for each use, which saves half of the hashing.
    device: HmacSha256,
    /// Keyed for callback tokens.
    callback: HmacSha256,
    /// Keyed for the addresses that providers post to.
    provider: HmacSha256,
    /// Keyed for guardians' links.
    link: HmacSha256,
    /// Keyed for the codes to guardians' phones.
    code: HmacSha256,
    /// What argon2id is keyed with.
    password: [u8; 32],
    /// Keyed for what signs other systems' webhooks.
    webhook: HmacSha256,
    /// What engine and watchdog seal with.
    watchdog: [u8; 32],
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(***)")
    }
}

/// What is wrong with the key files.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// A key file is not there.
    #[error("key file {0} is missing; restore it from your backup of keys/ (without it no device can be recognised)")]
    Missing(PathBuf),
    /// A key file is there already.
    #[error("key file {0} is there already and is never overwritten")]
    AlreadyThere(PathBuf),
    /// Others than the owner may read or write it.
    #[error("key file {path} can be read by others than its owner (mode {mode:04o}); run: chmod 600 {path}")]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It does not hold a key.
    #[error("key file {0} does not hold a key of 64 hexadecimal digits; restore it from your backup of keys/")]
    Malformed(PathBuf),
    /// A password could not be hashed.
    #[error("a password could not be hashed: {0}")]
    Password(argon2::password_hash::Error),
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(getrandom::Error),
    /// It cannot be read or written.
    #[error("key file {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
}

impl Secrets {
    /// Makes new keys and writes them, readable by the owner only, synced.
    ///
    /// # Errors
    /// When a key is there already, cannot be written, or there is no randomness.
    pub fn create(keys: &Path) -> Result<Secrets, SecretsError> {
        let pepper = create_key(&keys.join(PEPPER_FILE))?;
        let link_key = create_key(&keys.join(LINK_KEY_FILE))?;
        let synced = File::open(keys).and_then(|directory| directory.sync_all());
        synced.map_err(|error| SecretsError::Io { path: keys.to_owned(), error })?;
        Ok(Secrets::from_keys(&pepper, &link_key))
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// When one is missing, malformed, unreadable, or readable by others.
    pub fn load(keys: &Path) -> Result<Secrets, SecretsError> {
        let pepper = load_key(&keys.join(PEPPER_FILE))?;
        let link_key = load_key(&keys.join(LINK_KEY_FILE))?;
        Ok(Secrets::from_keys(&pepper, &link_key))
    }

    /// From keys that are at hand already; for simulated worlds, which have no files.
    #[must_use]
    pub fn from_keys(pepper: &[u8; KEY_BYTES], link_key: &[u8; KEY_BYTES]) -> Secrets {
        Secrets {
            device: keyed(pepper, DEVICE_DOMAIN),
            callback: keyed(link_key, CALLBACK_DOMAIN),
            provider: keyed(link_key, PROVIDER_DOMAIN),
            link: keyed(link_key, LINK_DOMAIN),
            code: keyed(link_key, CODE_DOMAIN),
            password: keyed(pepper, PASSWORD_DOMAIN).finalize().into_bytes().into(),
            webhook: keyed(link_key, WEBHOOK_DOMAIN),
            watchdog: keyed(link_key, WATCHDOG_DOMAIN).finalize().into_bytes().into(),
        }
    }

    /// What engine and watchdog seal with what they leave on disk for each other.
    #[must_use]
    pub fn watchdog_key(&self) -> [u8; 32] {
        self.watchdog
    }

    /// What is stored of a device's secret.
    #[must_use]
    pub fn device_secret_hmac(&self, secret: &[u8]) -> [u8; 32] {
        let mut mac = self.device.clone();
        mac.update(secret);
        mac.finalize().into_bytes().into()
    }

    /// Whether a presented secret is the stored one, in constant time.
    #[must_use]
    pub fn verify_device_secret(&self, presented: &[u8], stored: &[u8; 32]) -> bool {
        self.device_secret_hmac(presented).ct_eq(stored).into()
    }

    /// The token in an attempt's callback URL: 26 characters of base32, 128 bits that nobody can guess.
    #[must_use]
    pub fn callback_token(&self, attempt: AttemptId) -> String {
        let mut mac = self.callback.clone();
        mac.update(&attempt.raw().to_be_bytes());
        base32(&mac.finalize().into_bytes()[..CALLBACK_TOKEN_BYTES])
    }

    /// Whether this is the attempt's callback token, in constant time.
    #[must_use]
    pub fn verify_callback(&self, attempt: AttemptId, token: &str) -> bool {
        self.callback_token(attempt).as_bytes().ct_eq(token.as_bytes()).into()
    }
}

/// The links in guardians' messages.
impl Secrets {
    /// What stands behind `/g/` in the message of an attempt: the attempt, and the proof that we sent it.
    #[must_use]
    pub fn link_token(&self, attempt: AttemptId) -> String {
        format!("{attempt}-{}", self.link_proof(attempt))
    }

    /// Whether this is the proof of the attempt's link, in constant time.
    #[must_use]
    pub fn verify_link(&self, attempt: AttemptId, proof: &str) -> bool {
        self.link_proof(attempt).as_bytes().ct_eq(proof.as_bytes()).into()
    }

    /// The six digits that an attempt brings to a guardian's phone. Short, so they hold for minutes and a few tries only.
    #[must_use]
    pub fn code(&self, attempt: AttemptId) -> String {
        let mut mac = self.code.clone();
        mac.update(&attempt.raw().to_be_bytes());
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        let number = digest[..8].iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        format!("{:06}", number % CODES)
    }

    /// Whether this is the attempt's code, in constant time.
    #[must_use]
    pub fn verify_code(&self, attempt: AttemptId, code: &str) -> bool {
        self.code(attempt).as_bytes().ct_eq(code.as_bytes()).into()
    }

    fn link_proof(&self, attempt: AttemptId) -> String {
        let mut mac = self.link.clone();
        mac.update(&attempt.raw().to_be_bytes());
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        let mut number = digest[..16].iter().fold(0u128, |number, byte| number << 8 | u128::from(*byte));
        let mut proof = String::with_capacity(LINK_PROOF_CHARS);
        for _ in 0..LINK_PROOF_CHARS {
            proof.push(char::from(BASE62[(number % 62) as usize]));
            number /= 62;
        }
        proof
    }
}

/// The addresses that providers post to.
impl Secrets {
    /// The token in the address that a channel's provider posts to: 128 bits, the same for all of its posts. It is what
    /// an operator enters at the provider, so it lives as long as the link key.
    #[must_use]
    pub fn provider_token(&self, channel: &str) -> String {
        let mut mac = self.provider.clone();
        mac.update(channel.as_bytes());
        base32(&mac.finalize().into_bytes()[..CALLBACK_TOKEN_BYTES])
    }

    /// What signs for a subscription of another system: made of the key file and the number of its rotations, so that no
    /// journal, backup or log holds it.
    #[must_use]
    pub fn webhook_secret(&self, id: &WebhookId, generation: u32) -> SigningSecret {
        let mut mac = self.webhook.clone();
        mac.update(id.as_str().as_bytes());
        mac.update(&[0]);
        mac.update(&generation.to_be_bytes());
        SigningSecret::of_bytes(mac.finalize().into_bytes().into())
    }

    /// Whether this is the channel's token, in constant time.
    #[must_use]
    pub fn verify_provider(&self, channel: &str, token: &str) -> bool {
        self.provider_token(channel).as_bytes().ct_eq(token.as_bytes()).into()
    }
}

/// Passwords.
impl Secrets {
    /// What is stored of a password, in the PHC form. Takes some 20 ms and 19 MiB: never on the loop.
    ///
    /// # Errors
    /// When there is no randomness, or no memory.
    pub fn hash_password(&self, password: &str) -> Result<String, SecretsError> {
        let mut salt = [0u8; PASSWORD_SALT_BYTES];
        getrandom::fill(&mut salt).map_err(SecretsError::Randomness)?;
        let salt = SaltString::encode_b64(&salt).map_err(SecretsError::Password)?;
        let hash = self.argon2()?.hash_password(password.as_bytes(), &salt).map_err(SecretsError::Password)?;
        Ok(hash.to_string())
    }

    /// Whether this is the password that was hashed. Takes as long as hashing, also when what is stored is no hash.
    #[must_use]
    pub fn verify_password(&self, password: &str, stored: &str) -> bool {
        let Ok(stored) = PasswordHash::new(stored) else {
            let _ = self.hash_password(password);
            return false;
        };
        self.argon2().is_ok_and(|argon2| argon2.verify_password(password.as_bytes(), &stored).is_ok())
    }

    fn argon2(&self) -> Result<Argon2<'_>, SecretsError> {
        let fail = |error: argon2::Error| SecretsError::Password(error.into());
        let params = argon2::Params::new(PASSWORD_MEMORY_KIB, PASSWORD_PASSES, PASSWORD_LANES, None).map_err(fail)?;
        Argon2::new_with_secret(&self.password, argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
            .map_err(fail)
    }
}

/// A password that nobody could guess or misread: 20 characters of base32, 100 bits.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn new_password() -> Result<String, SecretsError> {
    let mut random = [0u8; 13];
    getrandom::fill(&mut random).map_err(SecretsError::Randomness)?;
    let text = base32(&random);
    Ok([&text[..5], &text[5..10], &text[10..15], &text[15..20]].join("-"))
}

/// Makes a new API token, in the one form that there is ([`api::token`]): the text is shown once, the rest is stored.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn new_api_token() -> Result<Minted, SecretsError> {
    let mut random = [0u8; api::token::RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(SecretsError::Randomness)?;
    Ok(api::token::mint(&random))
}

/// What is stored of a token, from its text; `None` for what cannot be one of ours.
#[must_use]
pub fn api_token_sha256(text: &str) -> Option<[u8; 32]> {
    let plausible = text.starts_with(api::token::PREFIX) && text.len() <= API_TOKEN_BYTES_MAX;
    plausible.then(|| api::token::sha256(text))
}

fn keyed(key: &[u8; KEY_BYTES], domain: &[u8]) -> HmacSha256 {
    // An array of this length is always a key; the slice form could fail and would have to be handled.
    let mut block = [0u8; 64];
    block[..KEY_BYTES].copy_from_slice(key);
    let mut mac = <HmacSha256 as hmac::digest::KeyInit>::new(&block.into());
    mac.update(domain);
    mac
}

fn create_key(path: &Path) -> Result<[u8; KEY_BYTES], SecretsError> {
    let mut key = [0u8; KEY_BYTES];
    getrandom::fill(&mut key).map_err(SecretsError::Randomness)?;
    let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(format!("{text}\n").as_bytes()).and_then(|()| file.sync_all()));
    match written {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(SecretsError::AlreadyThere(path.to_owned())),
        Err(error) => Err(SecretsError::Io { path: path.to_owned(), error }),
    }
}

fn load_key(path: &Path) -> Result<[u8; KEY_BYTES], SecretsError> {
    let fail = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => SecretsError::Missing(path.to_owned()),
        _ => SecretsError::Io { path: path.to_owned(), error },
    };
    let mode = fs::metadata(path).map_err(fail)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretsError::TooOpen { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    let limit = 4 * KEY_BYTES as u64;
    match File::open(path).map_err(fail)?.take(limit).read_to_string(&mut text) {
        Ok(_) => parse_key(text.trim()).ok_or_else(|| SecretsError::Malformed(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(SecretsError::Malformed(path.to_owned())),
        Err(error) => Err(fail(error)),
    }
}

fn parse_key(text: &str) -> Option<[u8; KEY_BYTES]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut key = [0u8; KEY_BYTES];
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(key)
}

/// Five bits a character, the last one padded with zero bits.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut buffer, mut bits) = (0u32, 0u32);
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(BASE32[(buffer >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(BASE32[(buffer << (5 - bits) & 31) as usize]));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use model::AttemptId;

    use super::{Secrets, SecretsError, api_token_sha256, base32, new_api_token, new_password};

    #[test]
    fn keys_are_made_once_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let made = Secrets::create(dir.path()).unwrap();
        assert!(matches!(Secrets::create(dir.path()), Err(SecretsError::AlreadyThere(_))));
        let loaded = Secrets::load(dir.path()).unwrap();
        let stored = made.device_secret_hmac(b"tulip");
        assert!(loaded.verify_device_secret(b"tulip", &stored));
        assert!(!loaded.verify_device_secret(b"tulip ", &stored));
        let attempt = AttemptId::new(0, 7);
        assert!(loaded.verify_callback(attempt, &made.callback_token(attempt)));
        assert!(!loaded.verify_callback(AttemptId::new(0, 8), &made.callback_token(attempt)));
        for file in ["pepper", "link-key"] {
            let mode = fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn bad_key_files_say_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let said = |dir: &std::path::Path| Secrets::load(dir).unwrap_err().to_string();
        assert!(said(dir.path()).contains("is missing; restore it"));
        Secrets::create(dir.path()).unwrap();
        let pepper = dir.path().join("pepper");
        fs::set_permissions(&pepper, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(said(dir.path()).contains("(mode 0644); run: chmod 600 "));
        fs::set_permissions(&pepper, fs::Permissions::from_mode(0o600)).unwrap();
        for content in ["", "abc\n", &"g".repeat(64), "\u{fffd}\u{fffd}"] {
            fs::write(&pepper, content).unwrap();
            assert!(matches!(Secrets::load(dir.path()), Err(SecretsError::Malformed(_))), "{content:?}");
        }
    }

    #[test]
    fn what_is_made_never_changes_between_versions() {
        // Registered devices and URLs that are on their way depend on these.
        let secrets = Secrets::from_keys(&[1; 32], &[2; 32]);
        let hex: String = secrets.device_secret_hmac(b"tulip").iter().map(|b| format!("{b:02x}")).collect();
        expect_test::expect!["dd9eb5aa1877f88cb07b6d45ae1f41c2d85de81e242d54d40b2ddcde5d46c521"].assert_eq(&hex);
        expect_test::expect!["6vgkrz0a9xfexnr8zdcxgyv834"].assert_eq(&secrets.callback_token(AttemptId::new(0, 1)));
        expect_test::expect!["04amm08xtvsxgwyghmt4tm8k7w"].assert_eq(&secrets.provider_token("voice"));
        assert!(secrets.verify_provider("voice", &secrets.provider_token("voice")));
        assert!(!secrets.verify_provider("voice", &secrets.provider_token("sms")));
        let link = secrets.link_token(AttemptId::new(0, 1));
        expect_test::expect!["a1-fxQQT9IjZ3Plpcgj"].assert_eq(&link);
        let proof = link.strip_prefix("a1-").unwrap();
        assert_eq!(proof.len(), 16);
        assert!(secrets.verify_link(AttemptId::new(0, 1), proof));
        assert!(!secrets.verify_link(AttemptId::new(0, 2), proof));
        assert!(!secrets.verify_link(AttemptId::new(0, 1), &proof[..15]));
    }

    #[test]
    fn passwords_are_hashed_with_salt_and_key() {
        let secrets = Secrets::from_keys(&[1; 32], &[2; 32]);
        let hash = secrets.hash_password("bell tower").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(secrets.verify_password("bell tower", &hash));
        assert!(!secrets.verify_password("bell towers", &hash));
        assert_ne!(secrets.hash_password("bell tower").unwrap(), hash, "salted");
        let others = Secrets::from_keys(&[3; 32], &[2; 32]);
        assert!(!others.verify_password("bell tower", &hash), "without the key file a hash cannot be guessed against");
        assert!(!secrets.verify_password("bell tower", "nonsense"));
        assert_eq!(new_password().unwrap().len(), 23);
        assert_ne!(new_password().unwrap(), new_password().unwrap());
    }

    #[test]
    fn api_tokens_are_recognised_by_their_hash() {
        let token = new_api_token().unwrap();
        assert!(token.text.starts_with(&format!("yl_{}_", token.id)));
        assert_eq!(api_token_sha256(&token.text), Some(token.secret_sha256));
        assert_ne!(new_api_token().unwrap().text, token.text);
        assert_eq!(api_token_sha256("Bearer x"), None);
        assert_eq!(api_token_sha256(&format!("yl_{}", "x".repeat(1_000))), None);
    }

    #[test]
    fn base32_holds_every_bit() {
        assert_eq!(base32(&[0xff; 5]), "zzzzzzzz");
        assert_eq!(base32(&[0x00, 0x01]), "000g");
        assert_eq!(base32(&[0; 16]).len(), 26);
    }
}
