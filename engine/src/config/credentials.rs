//! Credentials: each from exactly one of its sources, and never quoted back.

use ::channels::Secret;

use super::channels::Reader;
use super::check::text;
use super::document::Object;

/// The longest credential, bytes.
const SECRET_BYTES_MAX: usize = 4_096;
/// A variable's name, as it stands in the configuration, and its two other sources.
pub(super) type SecretNames = [&'static str; 3];
pub(super) const SECRET: SecretNames = ["secret", "secret_file", "secret_env"];
pub(super) const TOKEN: SecretNames = ["token", "token_file", "token_env"];

impl Reader<'_> {
    pub(super) fn optional_secret(&mut self, object: &mut Object<'_>) -> Option<Secret> {
        let given = SECRET.iter().any(|name| object.has(name));
        if given { self.secret(object, SECRET) } else { self.no_secret(object, SECRET) }
    }

    /// Notes the names of a secret that is not given.
    pub(super) fn no_secret(&mut self, object: &mut Object<'_>, names: SecretNames) -> Option<Secret> {
        for name in names {
            text(object, name, self.faults);
        }
        None
    }

    /// A secret, from exactly one of its three sources: itself, a file, a variable of the environment.
    pub(super) fn secret(&mut self, object: &mut Object<'_>, names: SecretNames) -> Option<Secret> {
        let [itself, file, variable] = names;
        let given: Vec<&str> = names.into_iter().filter(|name| object.has(name)).collect();
        if given.len() > 1 {
            let given = given.join(" and ");
            self.faults.add(object.at(itself), format!("{given}: only one of them"), format!("{given} 只能填一项"));
        }
        let (direct, path, name) =
            (text(object, itself, self.faults), text(object, file, self.faults), text(object, variable, self.faults));
        let found = match (direct, path, name) {
            (Some(secret), _, _) => return Some(Secret::new(secret)),
            (None, Some(path), _) => secret_of_file(path).map_err(|detail| (object.at(file), detail)),
            (None, None, Some(name)) => self.secret_of_variable(name).map_err(|detail| (object.at(variable), detail)),
            (None, None, None) if given.is_empty() => {
                object.missing::<()>(itself, self.faults);
                return None;
            }
            (None, None, None) => return None, // told already: it is empty, or no text
        };
        match found {
            Ok(secret) => Some(secret),
            Err((at, detail)) => {
                self.faults.add(at, detail.clone(), detail);
                None
            }
        }
    }

    fn secret_of_variable(&self, name: &str) -> Result<Secret, String> {
        let found = self.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim());
        match found {
            Some(value) if !value.is_empty() => Ok(Secret::new(value)),
            Some(_) => Err(format!("the environment variable {name} is empty")),
            None => Err(format!("there is no environment variable {name}")),
        }
    }
}

fn secret_of_file(path: &str) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))?;
    let secret = text.trim();
    if secret.is_empty() || secret.len() > SECRET_BYTES_MAX {
        return Err(format!("{path} holds no secret of 1 to {SECRET_BYTES_MAX} bytes"));
    }
    Ok(Secret::new(secret))
}
