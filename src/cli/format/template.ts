// The part of Go's templates that people use with --format: fields, json, index-free functions and
// range-free pipes. Fields are looked up by Docker's names, whatever their depth.

type Value = unknown;

const FUNCTIONS: Readonly<Record<string, (value: Value, argument?: string) => Value>> = {
  json: (value) => JSON.stringify(value),
  upper: (value) => String(value).toUpperCase(),
  lower: (value) => String(value).toLowerCase(),
  title: (value) => String(value).replace(/\b\w/g, (letter) => letter.toUpperCase()),
  len: (value) =>
    typeof value === 'object' && value !== null ? Object.keys(value).length : String(value).length,
  println: (value) => `${text(value)}\n`,
};

/** Fills a template from one object; raises an error that names what can't be read. */
export function fillTemplate(template: string, object: object): string {
  const plain = template.replaceAll('\\t', '\t').replaceAll('\\n', '\n');
  const [before = '', ...parts] = plain.split('{{');
  const filled = parts.map((part) => {
    const end = part.indexOf('}}');
    if (end < 0) return `{{${part}`;
    const expression = part.slice(0, end).replace(/^-|-$/g, '').trim();
    return text(evaluate(expression, object)) + part.slice(end + 2);
  });
  return before + filled.join('');
}

function evaluate(expression: string, object: object): Value {
  const stages = expression.split('|').map((stage) => stage.trim());
  let value: Value;
  stages.forEach((stage, i) => {
    const words = stage.split(/\s+/);
    const [first = '', second] = words;
    const call = FUNCTIONS[first];
    if (call !== undefined) value = call(i === 0 ? lookUp(second ?? '.', object) : value);
    else if (first.startsWith('.')) value = lookUp(first, object);
    else if (/^".*"$/.test(stage)) value = stage.slice(1, -1);
    else
      throw new Error(
        `template: "${first}" is not supported; use fields, json, upper, lower, title, len`,
      );
  });
  return value;
}

function lookUp(path: string, object: object): Value {
  if (path === '.') return object;
  let value: Value = object;
  for (const name of path.slice(1).split('.')) {
    if (typeof value !== 'object' || value === null || !(name in value)) {
      if (value === object) throw new Error(`template: there is no field ${path}`);
      return '<no value>';
    }
    value = (value as Record<string, Value>)[name];
  }
  return value;
}

function text(value: Value): string {
  if (value === undefined || value === null) return '<no value>';
  return typeof value === 'object'
    ? JSON.stringify(value)
    : String(value as string | number | boolean);
}
