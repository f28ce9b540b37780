// Which pages there are and for whom.
import { alertsPage } from "./pages/alerts.js";
import { casesPage } from "./pages/cases.js";
import { eldersPage } from "./pages/elders.js";
import { mapPage, wallPage } from "./pages/community.js";
import { doctorPage } from "./pages/doctor.js";
import { fieldPage } from "./pages/field.js";
import { dutyPage } from "./pages/duty.js";
import { reportsPage } from "./pages/reports.js";
import { registryPage } from "./pages/registry.js";
import { providersPage } from "./pages/providers.js";
import { accountsPage } from "./pages/accounts.js";
import { webhooksPage } from "./pages/webhooks.js";
import { aboutPage } from "./pages/about.js";

const STAFF = ["admin", "operator", "desk", "grid_worker", "street", "department", "integration"];
const EVERYBODY = [...STAFF, "doctor", "volunteer"];

/** In the order in which they are offered; the first one that a role may see is its home, unless another says so. */
export const PAGES = [
  { name: "alerts", icon: "bell", who: STAFF, open: alertsPage },
  { name: "cases", icon: "case", who: STAFF, open: casesPage },
  { name: "elders", icon: "person", who: [...STAFF, "doctor"], open: eldersPage },
  { name: "map", icon: "map", who: STAFF, open: mapPage },
  { name: "doctor", icon: "doctor", who: ["doctor", "admin"], home: ["doctor"], open: doctorPage },
  { name: "field", icon: "walk", who: ["volunteer", "grid_worker", "admin"], home: ["volunteer", "grid_worker"], open: fieldPage },
  { name: "duty", icon: "clock", who: STAFF, open: dutyPage },
  { name: "reports", icon: "chart", who: STAFF, open: reportsPage, aside: true },
  { name: "registry", icon: "list", who: STAFF, open: registryPage, aside: true },
  { name: "providers", icon: "plug", who: STAFF, open: providersPage, aside: true },
  { name: "accounts", icon: "person", who: EVERYBODY, open: accountsPage, aside: true },
  { name: "webhooks", icon: "plug", who: ["admin", "operator", "integration"], open: webhooksPage, aside: true },
  { name: "wall", icon: "wall", who: STAFF, open: wallPage, aside: true },
  { name: "about", icon: "note", who: EVERYBODY, open: aboutPage, aside: true },
];

/** Where a role begins. */
export const homeOf = (role) => pagesFor(role).find((page) => page.home?.includes(role)) ?? pagesFor(role)[0];

export const pagesFor = (role) => PAGES.filter((page) => page.who.includes(role));
