// Elements and numbers. Text only ever becomes text nodes and attributes, so nothing in the data can become markup.

const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);

// An SVG element.
const s = (name, attributes, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

// A number for display: four significant digits, separated thousands, a true minus sign; a dash if it is not a number. `even` keeps
// trailing zeros, for columns; `bare` leaves out the percent sign.
function shown(value, format) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  let text;
  if (format && format.percent) text = (100 * value).toFixed(format.digits ?? 1);
  else if (format && format.digits !== undefined && format.digits !== null) text = value.toFixed(format.digits);
  else if (Number.isInteger(value) && Math.abs(value) < 1e9) text = String(value);
  else if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e9)) text = value.toExponential(2);
  else text = format && format.even ? value.toPrecision(Math.abs(value) < 1e4 ? 4 : 6) : String(Number(value.toPrecision(4)));
  if (/^-[0.]+$/.test(text)) text = text.slice(1);
  const [, sign, whole, rest] = /^(-?)(\d+)(.*)$/.exec(text);
  const apart = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") : whole;
  return (sign ? "−" : "") + apart + rest.replace("e-", "e−") + (format && format.percent && !format.bare ? "\u202f%" : "");
}

const plural = (count, word) => `${shown(count)} ${word}${count === 1 ? "" : "s"}`;
const list = (value) => (Array.isArray(value) ? value : []);
