"""`python -m crmrules`, the command where its script is not on the path."""

from crmrules.cli import main

if __name__ == "__main__":
    main()
