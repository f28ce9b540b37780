//! Map tiles of the operator's choice, fetched by us: the pages ask nobody but this server, the provider does not learn
//! who looks, and its key stays here.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::ConfigError;

/// The largest tile that is taken, bytes.
const TILE_BYTES_MAX: usize = 512 * 1024;
/// What is kept of tiles in memory, bytes; the oldest go first.
const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How many are fetched at a time.
const FETCHES_MAX: usize = 8;
/// How long a provider may take, seconds.
const ANSWER_SECONDS_MAX: u64 = 10;
/// The deepest zoom that is asked for.
const ZOOM_MAX: u8 = 20;
/// What an address of tiles must have in it.
pub const PLACES: [&str; 3] = ["{z}", "{x}", "{y}"];

/// The column, row and zoom of a tile.
type Place = (u8, u32, u32);

/// A picture of a piece of the map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Its type: a picture's.
    pub kind: &'static str,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

/// Where tiles come from, and those that came.
pub struct Tiles {
    client: reqwest::Client,
    /// With [`PLACES`] in it; may hold a key, so it is never shown or logged.
    url: String,
    fetches: Semaphore,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    tiles: HashMap<Place, Tile>,
    order: VecDeque<Place>,
    bytes: usize,
}

impl Tiles {
    /// # Errors
    /// When the client would not start.
    pub fn new(url: &str) -> Result<Tiles, ConfigError> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(ANSWER_SECONDS_MAX))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent("yinling")
            .build()
            .map_err(|error| ConfigError::Client(error.to_string()))?;
        let (fetches, kept) = (Semaphore::new(FETCHES_MAX), Mutex::default());
        Ok(Tiles { client, url: url.to_owned(), fetches, kept })
    }

    /// A tile; `None`: there is none here, or the provider did not give it.
    pub async fn get(&self, zoom: u8, x: u32, y: u32) -> Option<Tile> {
        let place = (zoom, x, y);
        if zoom > ZOOM_MAX || x >> zoom > 0 || y >> zoom > 0 {
            return None;
        }
        if let Some(tile) = self.kept.lock().tiles.get(&place) {
            return Some(tile.clone());
        }
        let _place = self.fetches.acquire().await.ok()?;
        if let Some(tile) = self.kept.lock().tiles.get(&place) {
            return Some(tile.clone());
        }
        let tile = self.fetch(place).await;
        metrics::counter!("map_tiles_total", "result" => if tile.is_some() { "fetched" } else { "failed" })
            .increment(1);
        let tile = tile?;
        self.kept.lock().put(place, tile.clone());
        Some(tile)
    }

    async fn fetch(&self, (zoom, x, y): Place) -> Option<Tile> {
        let url = self.url.replace("{z}", &zoom.to_string()).replace("{x}", &x.to_string());
        let mut response = self.client.get(url.replace("{y}", &y.to_string())).send().await.ok()?;
        let kind = response.headers().get("content-type")?.to_str().ok()?;
        // Nothing that a browser could run.
        let kind = ["image/png", "image/jpeg", "image/webp"].into_iter().find(|known| kind.starts_with(known))?;
        if !response.status().is_success() {
            return None;
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            if bytes.len() + chunk.len() > TILE_BYTES_MAX {
                return None;
            }
            bytes.extend_from_slice(&chunk);
        }
        Some(Tile { kind, bytes: bytes.into() })
    }
}

impl Kept {
    fn put(&mut self, place: Place, tile: Tile) {
        self.bytes += tile.bytes.len();
        if let Some(before) = self.tiles.insert(place, tile) {
            self.bytes -= before.bytes.len();
        } else {
            self.order.push_back(place);
        }
        while self.bytes > KEPT_BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            self.bytes -= self.tiles.remove(&oldest).map_or(0, |tile| tile.bytes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_tiles_go_when_there_are_too_many() {
        let mut kept = Kept::default();
        let tile = Tile { kind: "image/png", bytes: vec![0; TILE_BYTES_MAX].into() };
        let most = KEPT_BYTES_MAX / TILE_BYTES_MAX;
        for x in 0..most as u32 + 10 {
            kept.put((19, x, 0), tile.clone());
            kept.put((19, x, 0), tile.clone());
        }
        assert_eq!((kept.tiles.len(), kept.order.len(), kept.bytes), (most, most, KEPT_BYTES_MAX));
        assert!(!kept.tiles.contains_key(&(19, 9, 0)) && kept.tiles.contains_key(&(19, 10, 0)));
    }

    #[tokio::test]
    async fn a_tile_outside_the_world_is_never_asked_for() {
        let tiles = Tiles::new("http://127.0.0.1:1/{z}/{x}/{y}").unwrap();
        for (zoom, x, y) in [(0, 1, 0), (3, 0, 8), (21, 0, 0), (255, 0, 0), (1, u32::MAX, 0)] {
            assert!(tiles.get(zoom, x, y).await.is_none());
        }
    }
}
