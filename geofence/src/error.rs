//! What is wrong with a fence, where, and what to do.

use std::fmt;

/// Vertices of a fence as drawn, all rings together.
pub const FENCE_VERTICES_MAX: usize = 5000;
/// A circle of this radius is not taken without asking, metres: it is more often 300 m with a zero too many.
pub const CIRCLE_METRES_UNUSUAL: f64 = 3000.0;

/// Where in a fence's coordinates. All count from 0, as in the GeoJSON that they came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Which polygon of several.
    pub polygon: Option<usize>,
    /// Which ring of a polygon; `None` in a line.
    pub ring: Option<usize>,
    /// Which vertex; `None`: the ring or line as a whole.
    pub vertex: Option<usize>,
}

impl Place {
    pub(crate) fn at(self, vertex: usize) -> Place {
        Place { vertex: Some(vertex), ..self }
    }

    fn zh(self) -> String {
        let parts = [("个面", self.polygon), ("个环", self.ring), ("个顶点", self.vertex)];
        let named = parts.iter().filter_map(|(word, index)| index.map(|index| format!("第 {index} {word}")));
        let named: Vec<String> = named.collect();
        if named.is_empty() { "该线".to_owned() } else { format!("{}（从 0 数起）", named.join("")) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.vertex, self.ring) {
            (Some(vertex), Some(ring)) => write!(f, "vertex {vertex} of ring {ring}")?,
            (Some(vertex), None) => write!(f, "vertex {vertex} of the line")?,
            (None, Some(ring)) => write!(f, "ring {ring}")?,
            (None, None) => match self.polygon {
                Some(polygon) => return write!(f, "polygon {polygon}"),
                None => return write!(f, "the line"),
            },
        }
        self.polygon.map_or(Ok(()), |polygon| write!(f, " of polygon {polygon}"))
    }
}

/// What is wrong with a fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FenceError {
    /// The margin is not 0–10 000 m.
    #[error("the margin must be 0 to 10000 m")]
    Margin,
    /// The daily window is not within a day.
    #[error("the daily window must lie between 00:00 and 23:59")]
    Window,
    /// The schedule names no weekday, or an eighth.
    #[error("the schedule must name at least one day from Mon to Sun")]
    Weekdays,
    /// The time zone is none.
    #[error("there is no such time zone: an IANA name like Asia/Shanghai or Asia/Urumqi is meant")]
    Zone,
    /// The radius is not 1–1 000 000 m.
    #[error("the radius must be 1 to 1000000 m")]
    Radius,
    /// The radius is [`CIRCLE_METRES_UNUSUAL`], and nothing says that it is meant.
    #[error("a radius of {metres} m is unusual: is there a zero too many? If it is meant, add \"large\": true")]
    RadiusUnusual {
        /// The radius.
        metres: u32,
    },
    /// The centre is nowhere on earth.
    #[error("the centre's latitude must be -90 to 90 and its longitude -180 to 180; they may be swapped")]
    CentreOffTheEarth,
    /// The corridor's width is not 1–10 000 m.
    #[error("the corridor's width must be 1 to 10000 m")]
    Width,
    /// There is no polygon, or one without a ring.
    #[error("a polygon needs at least one ring")]
    NoRings,
    /// There are more than [`FENCE_VERTICES_MAX`] vertices.
    #[error("too many vertices: {count}, at most 5000 in all rings together; draw it with fewer")]
    TooManyVertices {
        /// How many.
        count: usize,
    },
    /// The edges are so long that they cannot be split for their datum.
    #[error("the edges are too long for their datum: draw the fence in wgs84, or smaller")]
    EdgesTooLong,
    /// The ring has fewer than three different vertices.
    #[error("{0} needs at least three different vertices")]
    RingTooShort(Place),
    /// The ring's last vertex is not its first.
    #[error("{0} is not closed: its last vertex must be its first")]
    RingNotClosed(Place),
    /// The line has fewer than two different vertices.
    #[error("{0} needs at least two different vertices")]
    LineTooShort(Place),
    /// The vertex is nowhere on earth.
    #[error("{0}: longitude must be -180 to 180 and latitude -90 to 90; GeoJSON has longitude first")]
    OffTheEarth(Place),
    /// The fence reaches farther than four degrees.
    #[error("{0} is more than 4 degrees from another: the fence is too large")]
    TooLarge(Place),
    /// The edge that begins at this vertex crosses or touches another edge of its ring.
    #[error("the edge that begins at {0} meets another edge of the ring")]
    SelfIntersection(Place),
    /// The ring, a hole, is not within the outline, or overlaps another hole.
    #[error("{0} is a hole and must lie within the outline, apart from other holes")]
    HoleMisplaced(Place),
    /// The polygon overlaps an earlier one or shares an edge with it.
    #[error("{0} overlaps an earlier one or shares an edge with it: draw them as one, or as two fences")]
    PolygonsOverlap(Place),
    /// The fence is told in GCJ-02 or BD-09 and lies on the border of the area in which these are defined.
    #[error("{0} lies across the border of the datum's area: draw the fence in wgs84")]
    StraddlesDatumBorder(Place),
    /// The same of a circle.
    #[error("the circle lies across the border of the datum's area: draw the fence in wgs84")]
    CircleStraddlesDatumBorder,
}

impl FenceError {
    /// Where in the fence's JSON it is, as a JSON pointer (RFC 6901) relative to the fence.
    #[must_use]
    pub fn pointer(&self) -> String {
        match self.place() {
            Some(place) => {
                let steps = [place.polygon, place.ring, place.vertex].into_iter().flatten();
                steps.fold("/geometry/coordinates".to_owned(), |pointer, step| format!("{pointer}/{step}"))
            }
            None => match self {
                FenceError::Margin => "/margin_m",
                FenceError::Window | FenceError::Weekdays => "/active",
                FenceError::Zone => "/zone",
                FenceError::Radius | FenceError::RadiusUnusual { .. } => "/circle/radius_m",
                FenceError::CentreOffTheEarth | FenceError::CircleStraddlesDatumBorder => "/circle",
                FenceError::Width => "/width_m",
                _ => "/geometry/coordinates",
            }
            .to_owned(),
        }
    }

    /// The same in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        let plain = match self {
            FenceError::Margin => "边界余量须为 0 至 10000 米",
            FenceError::Window => "每日时段须在 00:00 至 23:59 之间",
            FenceError::Weekdays => "时段须至少包含一个星期日期（Mon 至 Sun）",
            FenceError::Zone => "没有这个时区：应为 IANA 名称，如 Asia/Shanghai 或 Asia/Urumqi",
            FenceError::Radius => "半径须为 1 至 1000000 米",
            FenceError::RadiusUnusual { metres } => {
                return format!("半径 {metres} 米不同寻常，是否多写了一个零？如确认无误，请加上 \"large\": true");
            }
            FenceError::CentreOffTheEarth => "圆心纬度须为 -90 至 90，经度须为 -180 至 180，两者可能写反",
            FenceError::Width => "通道宽度须为 1 至 10000 米",
            FenceError::NoRings => "多边形至少需要一个环",
            FenceError::TooManyVertices { count } => return format!("顶点过多：{count} 个，所有环合计最多 5000 个"),
            FenceError::EdgesTooLong => "对该坐标系而言边太长：请用 wgs84 绘制或缩小围栏",
            FenceError::CircleStraddlesDatumBorder => "圆跨越该坐标系适用区域的边界：请用 wgs84 绘制",
            FenceError::RingTooShort(place) => return format!("{}至少需要三个不同的顶点", place.zh()),
            FenceError::RingNotClosed(place) => return format!("{}未闭合：末点须与首点相同", place.zh()),
            FenceError::LineTooShort(place) => return format!("{}至少需要两个不同的顶点", place.zh()),
            FenceError::OffTheEarth(place) => {
                return format!("{}不在地球上：先经度（-180 至 180）后纬度（-90 至 90）", place.zh());
            }
            FenceError::TooLarge(place) => return format!("{}与其他顶点相距超过 4 度：围栏过大", place.zh()),
            FenceError::SelfIntersection(place) => return format!("从{}开始的边与同环的另一条边相交", place.zh()),
            FenceError::HoleMisplaced(place) => return format!("{}是洞，须位于外环之内且不与其他洞相交", place.zh()),
            FenceError::PolygonsOverlap(place) => {
                return format!("{}与前面的面重叠或共边：请合并或分成两个围栏", place.zh());
            }
            FenceError::StraddlesDatumBorder(place) => {
                return format!("{}跨越该坐标系适用区域的边界：请用 wgs84 绘制", place.zh());
            }
        };
        plain.to_owned()
    }

    fn place(&self) -> Option<Place> {
        match self {
            FenceError::RingTooShort(place)
            | FenceError::RingNotClosed(place)
            | FenceError::LineTooShort(place)
            | FenceError::OffTheEarth(place)
            | FenceError::TooLarge(place)
            | FenceError::SelfIntersection(place)
            | FenceError::HoleMisplaced(place)
            | FenceError::PolygonsOverlap(place)
            | FenceError::StraddlesDatumBorder(place) => Some(*place),
            _ => None,
        }
    }
}
