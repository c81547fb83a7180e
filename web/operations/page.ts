// What every page of the platform's host needs: the style sheet. It has no scripts.
import "./style.css";
