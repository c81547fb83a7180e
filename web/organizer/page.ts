// What every page of an organizer needs: the style sheet.
import "./style.css";
