// Where somebody is when nothing has happened is behind glass: it breaks with a reason, which the guardians are told.
import { command } from "./api.js";
import { t } from "./i18n.js";
import { ask } from "./ui.js";

/** The server's word for it. */
const BEHIND_GLASS = "behind-glass";

export const isBehindGlass = (problem) => problem.code === BEHIND_GLASS;

/** Asks for the reason; resolves to whether the position can be read now. */
export function breakGlass(elder) {
  return ask({
    title: t("glass.title", { name: elder.name }), lead: t("glass.lead"), action: t("glass.go"), danger: true,
    fields: [{ name: "reason", label: t("field.reason"), kind: "area", required: true }],
    act: ({ reason }) => command(`/wearers/${encodeURIComponent(elder.id)}/break-glass`, { reason }),
  });
}
