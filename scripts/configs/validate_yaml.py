"""Says what is wrong with a YAML file: validate_yaml.py FILE [KEY...]. A KEY may be a path: provider.model.

Exit status: 0 nothing, 1 something, one line each on stdout; 3 there is no YAML parser.
"""

import sys

try:
    import yaml
except ImportError:
    sys.exit(3)


class Strict(yaml.SafeLoader):
    """A mapping with the same key twice is refused: the parser would keep the last without a word."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if str(key) in seen:
                line = key_node.start_mark.line + 1
                raise yaml.YAMLError(f"the key {key} stands twice (line {line})")
            seen.add(str(key))
        return super().construct_mapping(node, deep)


def troubles(path, keys):
    """What is wrong with the file, sentence by sentence."""
    try:
        with open(path, "rb") as file:
            document = yaml.load(file, Loader=Strict)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" (line {mark.line + 1})" if mark else ""
        return [f"not YAML: {error.problem}{place}"]
    except (yaml.YAMLError, OSError, ValueError, RecursionError) as error:
        return [" ".join(str(error).split())]
    if not isinstance(document, dict) or not document:
        return ["it holds no keys"]
    return [f"the key {key} is missing or empty" for key in keys if not present(document, key)]


def present(document, path):
    """Whether the member at the path is there and holds something; false and 0 are something."""
    for key in path.split("."):
        if not isinstance(document, dict) or key not in document:
            return False
        document = document[key]
    return document not in (None, "", [], {})


def main():
    """The command."""
    found = troubles(sys.argv[1], sys.argv[2:])
    for trouble in found:
        print(trouble)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
