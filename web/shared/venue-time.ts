// Times on the venue's own clock, and that clock by its name: a buyer's device may stand anywhere.

/** `2026-12-07T18:30:00Z, Europe/Berlin` → `7 December, 19:30 (Berlin time)`; another year than now's is told. */
export function venueTime(instant: string, timeZone: string, now: string): string {
  const zone = knownZone(timeZone);
  const told = partsOf(instant, zone);
  const year = told.year === partsOf(now, zone).year ? "" : ` ${told.year}`;
  return `${told.day} ${told.month}${year}, ${told.hour}:${told.minute} (${zoneWords(zone)})`;
}

function partsOf(instant: string, timeZone: string): Partial<Record<Intl.DateTimeFormatPartTypes, string>> {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    year: "numeric",
    month: "long",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  return Object.fromEntries(format.formatToParts(new Date(instant)).map((part) => [part.type, part.value]));
}

function zoneWords(timeZone: string): string {
  return `${(timeZone.split("/").pop() ?? timeZone).replaceAll("_", " ")} time`;
}

/** A zone that the browser does not know is read as UTC. */
function knownZone(timeZone: string): string {
  try {
    return new Intl.DateTimeFormat("en", { timeZone }) && timeZone;
  } catch {
    return "UTC";
  }
}
