"""`python -m tilewright.schemas` writes the schema files."""

from . import FOLDER, write

if __name__ == "__main__":
    print(f"{len(write())} schemas in {FOLDER}")
