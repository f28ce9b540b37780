// Changing what is known of an elder: who is called, in which order, how fast; hospital and journeys; a test by the installer.
import { t } from "../i18n.js";
import { edit, guardiansAs, guardiansOf, people, phoneOf } from "../registry-save.js";
import { fieldValue, fromField, now } from "../time.js";
import { ask } from "../ui.js";

const HOUR_MS = 3_600_000;

/** Asks for the changes and writes them; resolves to whether something was changed. */
export async function editElder(elder) {
  const [guardians, doctors] = await Promise.all([people("guardian"), people("doctor")]);
  // Somebody who is not visible here stays what they are.
  if (elder.doctor && doctors.every(([id]) => id !== elder.doctor)) doctors.push([elder.doctor, elder.doctor]);
  return ask({
    title: `${t("elder.edit")}${t("colon")}${elder.name}`, action: t("save"),
    fields: [
      { name: "name", label: t("elder.name"), value: elder.name, required: true },
      { name: "phone", label: t("elder.phone"), value: elder.phone ?? "", hint: t("elder.phone_hint") },
      { name: "guardians", label: t("elder.guardians"), kind: "people", value: guardiansOf(elder), options: guardians, hint: t("elder.guardians_hint") },
      { name: "doctor", label: t("role.doctor"), kind: "select", value: elder.doctor ?? "", options: [["", t("none")], ...doctors] },
      { name: "suspension", label: t("elder.suspension"), kind: "select", value: elder.suspension?.kind ?? "none",
        options: [["none", t("none")], ["hospital", t("suspension.hospital")], ["journey", t("suspension.journey")]] },
      { name: "until", label: t("elder.until"), kind: "datetime-local", required: true, when: ({ suspension }) => suspension !== "none", value: fieldValue(Date.parse(elder.suspension?.until ?? "") || now() + 24 * HOUR_MS) },
    ],
    act: (values) => edit("wearers", elder.id, (entry) => changed(entry, values)),
  });
}

function changed(entry, values) {
  return {
    ...entry, name: values.name, phone: phoneOf(values.phone) || null, guardians: guardiansAs(values.guardians, entry), doctor: values.doctor || null,
    suspension: values.suspension === "none" ? null : { kind: values.suspension, until: fromField(values.until) },
  };
}
